"""Check-ins as bytes, and how fast a server answers them."""

import asyncio
import json
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, func, select

from bench.crowd import NOTE, OPEN, Crowd
from bench.load import CONNECTIONS, Answers, request, send
from bench.measure import Check, Measure
from bench.place import Place
from db.database import Database
from db.tables.campaigns import check_ins, enrolments
from domain.ids import new_id

_BODY = json.dumps({"note": NOTE}).encode()


def requests(crowd: Crowd) -> Iterator[bytes]:
    """Return one check-in of everybody who is signed in, each with a key to repeat it by."""
    for secret, _ in crowd.signed_in:
        headers = {"cookie": f"kameng_session={secret}", "sec-fetch-site": "same-origin"}
        yield request("POST", path_of(crowd.campaign_id), headers | {"idempotency-key": new_id()}, _BODY)


def path_of(campaign_id: str) -> str:
    """Return where check-ins go."""
    return f"/api/v1/campaigns/{campaign_id}/checkins"


async def answers(
    place: Place, port: int, given: Iterable[bytes], count: int, connections: int = CONNECTIONS
) -> Answers:
    """Send the next ``count`` of ``given``."""
    some = [one for _, one in zip(range(count), given, strict=False)]
    if len(some) != count:
        raise RuntimeError(f"{len(some)} requests are left of {count}")
    return await asyncio.to_thread(send, port, some, place.directory / "requests", connections)


def rate(place: Place, port: int, given: Iterator[bytes], count: int) -> Measure:
    """Return what sends the next ``count`` check-ins and tells how many were taken in a second."""

    async def run() -> float:
        return (await answers(place, port, given, count)).rate(201)

    return run


async def standing(url: str) -> tuple[int, int]:
    """Return how many check-ins there are for the open day, and the days done by everybody."""

    def read(conn: Connection) -> tuple[int, int]:
        there = conn.execute(select(func.count()).where(check_ins.c.day == OPEN)).scalar_one()
        done = conn.execute(select(func.sum(enrolments.c.days_done))).scalar_one()
        return int(there), int(done)

    async with Database.connect(url) as db:
        return await db.read(read)


async def all_there(url: str, before: tuple[int, int], answered: int) -> Check:
    """Compare what was acknowledged with what is there."""
    after = await standing(url)
    there, done = (b - a for a, b in zip(before, after, strict=True))
    found = f"{answered:,} answered 201, {there:,} check-ins more, {done:,} days more in the counters"
    return Check("every check-in that was answered is there once", found, there == done == answered)
