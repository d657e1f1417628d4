"""Servers that a check-in is measured against, with the product's own models.

- ``check_in_nothing``: the check-in's path and models, and nothing behind them.
- ``check_in_commit``: the plain way: session, campaign, member, insert, update and one COMMIT a request.
- ``check_in_signal``: a workflow for each member, and a signal to it for each check-in.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import aiosqlite
from fastapi import Cookie, FastAPI, Header, HTTPException
from temporalio.client import Client

from api.schemas.enrolments import CheckInIn, CheckInOut
from api.security.credentials import hashed
from domain.ids import new_id

PATH = "/api/v1/campaigns/{campaign_id}/checkins"
Session = Annotated[str, Cookie(alias="kameng_session")]


def nothing(_database: str) -> FastAPI:
    """Return the server that takes check-ins and does nothing."""
    app, id = FastAPI(), new_id()

    @app.post(PATH, status_code=201)
    async def check_in(campaign_id: str, given: CheckInIn) -> CheckInOut:
        return CheckInOut(id=id, day=1, streak=1, points=2)

    return app


_WHO = (
    "SELECT p.id, p.status, r.role FROM sessions s JOIN people p ON p.id = s.person_id "
    "LEFT JOIN role_grants r ON r.person_id = p.id WHERE s.token_hash = ?"
)
_CAMPAIGN = "SELECT status, day FROM campaigns WHERE id = ?"
_MEMBER = "SELECT status, last_day, streak FROM enrolments WHERE campaign_id = ? AND person_id = ?"
_INSERT = (
    "INSERT INTO check_ins (campaign_id, day, person_id, id, kind, note, link, streak, points, at) "
    "VALUES (?, ?, ?, ?, 'day', ?, ?, ?, 2, ?)"
)
_UPDATE = (
    "UPDATE enrolments SET days_done = days_done + 1, last_day = ?, streak = ?, "
    "best_streak = max(best_streak, ?) WHERE campaign_id = ? AND person_id = ?"
)


async def _one(connection: aiosqlite.Connection, statement: str, *values: Any) -> Any:
    found = await connection.execute_fetchall(statement, values)
    return next(iter(found), None)


async def _taken(
    connection: aiosqlite.Connection, campaign_id: str, given: CheckInIn, secret: str
) -> CheckInOut:
    who = await _one(connection, _WHO, hashed(secret))
    campaign = await _one(connection, _CAMPAIGN, campaign_id)
    if who is None or campaign is None or campaign[0] != "running":
        raise HTTPException(409)
    member, day = await _one(connection, _MEMBER, campaign_id, who[0]), campaign[1]
    if member is None or member[0] != "active" or member[1] >= day:
        raise HTTPException(409)
    streak, id = member[2] + 1 if member[1] == day - 1 else 1, new_id()
    at = datetime.now(UTC).isoformat()
    await connection.execute(_INSERT, (campaign_id, day, who[0], id, given.note, given.link, streak, at))
    await connection.execute(_UPDATE, (day, streak, streak, campaign_id, who[0]))
    return CheckInOut(id=id, day=day, streak=streak, points=2)


def commit(database: str) -> FastAPI:
    """Return the server that carries out each check-in in a transaction of its own, on one connection."""
    taken: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(database, isolation_level=None) as connection:
            for setting in ("journal_mode = WAL", "synchronous = FULL"):
                await connection.execute(f"PRAGMA {setting}")
            taken["connection"], taken["turn"] = connection, asyncio.Lock()
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post(PATH, status_code=201)
    async def check_in(campaign_id: str, given: CheckInIn, secret: Session = "") -> CheckInOut:
        connection = taken["connection"]
        async with taken["turn"]:
            await connection.execute("BEGIN IMMEDIATE")
            try:
                answer = await _taken(connection, campaign_id, given, secret)
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
        return answer

    return app


def signal(_database: str) -> FastAPI:
    """Return the server that sends each check-in to the member's own workflow, ``member/{id}``."""
    taken: dict[str, Client] = {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        address, namespace = os.environ["TEMPORAL_ADDRESS"], os.environ["TEMPORAL_NAMESPACE"]
        taken["client"] = await Client.connect(address, namespace=namespace)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post(PATH, status_code=201)
    async def check_in(
        campaign_id: str,
        given: CheckInIn,
        x_member: Annotated[str, Header()],
        x_day: Annotated[int, Header()],
    ) -> CheckInOut:
        handle = taken["client"].get_workflow_handle(f"member/{x_member}")
        await handle.signal("check_in", [x_day, given.note])
        return CheckInOut(id=x_member, day=x_day, streak=0, points=2)

    return app


KINDS = {"check_in_nothing": nothing, "check_in_commit": commit, "check_in_signal": signal}
