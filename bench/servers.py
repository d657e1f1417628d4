"""Servers to measure against: ``python -m bench.servers KIND PORT [DATABASE]``.

- ``nothing``: the vote's path and models, and nothing behind them.
- ``commit``: the same vote the plain way: its statements and one COMMIT a request, through aiosqlite.
- ``insert``: one INSERT and one COMMIT a request through aiosqlite, and no guard at all.
- ``session``: a GET with one primary-key SELECT through SQLAlchemy's AsyncSession, as most would write it.
- ``read``: the same through the product's own ``Database.read``.
- ``check_in_nothing``, ``check_in_commit``, ``check_in_signal``: see ``bench.check_in_servers``.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import aiosqlite
import uvicorn
from fastapi import Cookie, Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from api.schemas.ballots import VoteIn, VoteOut
from api.security.credentials import hashed
from bench import check_in_servers
from db.database import Database
from db.tables.vetting import applications
from db.urls import normalise_url
from domain.ballots import receipt
from domain.ids import new_id
from engine.interpreter import hand_over_soon

VOTES = "/api/v1/ballots/{ballot_id}/votes"
APPLICATION = "/api/v1/applications/{application_id}"


class Standing(BaseModel):
    """Where an application stands."""

    id: str
    status: str
    stage: str
    waiting_on: str
    next_deadline: datetime | None
    if_nothing_happens: str


_ONE = select(*(applications.c[name] for name in Standing.model_fields)).where(
    applications.c.id == bindparam("id")
)


def nothing(_database: str) -> FastAPI:
    """Return the server that takes votes and does nothing."""
    app = FastAPI()

    @app.post(VOTES, status_code=201)
    async def vote(ballot_id: str, given: VoteIn) -> VoteOut:
        return VoteOut(receipt="AAAAAAAAAAAAAAAAAAAAAAAAAA")

    return app


def insert(database: str) -> FastAPI:
    """Return the server that commits one INSERT for every vote, with no guard at all."""

    async def cast(connection: aiosqlite.Connection, ballot_id: str, given: VoteIn, _secret: str) -> str:
        own = receipt(ballot_id, new_id(), given.nonce)
        await connection.execute("INSERT INTO votes VALUES (?, ?, ?)", (ballot_id, own, given.choice.value))
        return own

    return _committing(database, cast)


def commit(database: str) -> FastAPI:
    """Return the server that does a vote's work the plain way: session, roll, vote, COMMIT."""

    async def cast(connection: aiosqlite.Connection, ballot_id: str, given: VoteIn, secret: str) -> str:
        found = await connection.execute_fetchall(_WHO, (hashed(secret),))
        person_id = next(iter(found))[0]
        marked = await connection.execute(_MARK, (ballot_id, person_id, ballot_id))
        if marked.rowcount != 1:
            raise HTTPException(409)
        own = receipt(ballot_id, person_id, given.nonce)
        await connection.execute(
            "INSERT INTO ballot_votes VALUES (?, ?, ?)", (ballot_id, own, given.choice.value)
        )
        return own

    return _committing(database, cast)


_WHO = (
    "SELECT p.id, p.status, r.role FROM sessions s JOIN people p ON p.id = s.person_id "
    "LEFT JOIN role_grants r ON r.person_id = p.id WHERE s.token_hash = ?"
)
_MARK = (
    "UPDATE ballot_roll SET has_voted = 1 WHERE ballot_id = ? AND person_id = ? AND NOT has_voted "
    "AND EXISTS (SELECT 1 FROM ballots WHERE id = ? AND status = 'open')"
)
Cast = Callable[[aiosqlite.Connection, str, VoteIn, str], Awaitable[str]]


def _committing(database: str, cast: Cast) -> FastAPI:
    """Return a server that carries out each vote in a transaction of its own, on one connection."""
    taken: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(database, isolation_level=None) as connection:
            for setting in ("journal_mode = WAL", "synchronous = FULL"):
                await connection.execute(f"PRAGMA {setting}")
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS votes (ballot_id TEXT, receipt TEXT PRIMARY KEY, choice TEXT)"
            )
            taken["connection"], taken["turn"] = connection, asyncio.Lock()
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post(VOTES, status_code=201)
    async def vote(ballot_id: str, given: VoteIn, kameng_session: Annotated[str, Cookie()] = "") -> VoteOut:
        connection = taken["connection"]
        async with taken["turn"]:
            await connection.execute("BEGIN IMMEDIATE")
            try:
                own = await cast(connection, ballot_id, given, kameng_session)
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
        return VoteOut(receipt=own)

    return app


def session(database: str) -> FastAPI:
    """Return the server that reads through an AsyncSession for each request."""
    url = normalise_url(database)
    driver = "sqlite+aiosqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    make = async_sessionmaker(create_async_engine(url.set(drivername=driver), pool_size=10))

    async def opened() -> AsyncIterator[AsyncSession]:
        async with make() as one:
            yield one

    app = FastAPI()

    @app.get(APPLICATION)
    async def show(application_id: str, db: Annotated[AsyncSession, Depends(opened)]) -> Standing:
        row = (await db.execute(_ONE, {"id": application_id})).one_or_none()
        if row is None:
            raise HTTPException(404)
        return Standing(**row._asdict())

    return app


def read(database: str) -> FastAPI:
    """Return the server that reads the row by the product's own way and answers it."""
    db = Database.connect(database)
    app = FastAPI()

    @app.get(APPLICATION)
    async def show(application_id: str) -> Standing:
        row = await db.read(lambda conn: conn.execute(_ONE, {"id": application_id}).one_or_none())
        if row is None:
            raise HTTPException(404)
        return Standing(**row._asdict())

    return app


KINDS = {
    "nothing": nothing,
    "commit": commit,
    "insert": insert,
    "session": session,
    "read": read,
    **check_in_servers.KINDS,
}

if __name__ == "__main__":
    hand_over_soon()
    app = KINDS[sys.argv[1]](sys.argv[3] if len(sys.argv) > 3 else "")
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[2]), log_config=None, access_log=False, server_header=False
    )
