"""Row 15: check-ins as Kameng takes them, against a workflow for each member and a signal for each check-in.

Both answer 201 over HTTP. Ours is counted and on the disk by then; the other is measured until the last
workflow has written its row as well.
"""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from uuid import uuid4

from sqlalchemy import Connection, func, select, update
from temporalio.client import Client

from bench import crowd
from bench.api import baseline, serve
from bench.check_in_requests import answers, path_of, requests
from bench.crowd import NOTE, OPEN, Crowd
from bench.load import request
from bench.measure import Check, Result, in_turn
from bench.member import MemberWorkflow
from bench.people import at_once, target
from bench.place import Place
from db.database import Database
from db.tables.campaigns import campaigns, check_ins

MEMBERS, QUICK = 1_000, 100
WIDTH, GIVE_UP_SECONDS = 32, 240.0
WHAT = "check-ins, one transaction each"
AGAINST = "a workflow a member and a signal a check-in, until its row is written"


async def measure(place: Place) -> list[Result]:
    """Measure with as many members on both sides, day by day."""
    members, rounds = QUICK if place.quick else MEMBERS, place.pairs(3)
    url = place.database("sqlite")
    here = await crowd.gather(url, members + members // 20 + 100, members)
    client, file = await place.temporal(), str(place.directory / "kept.db")
    queue = f"member-{uuid4().hex[:6]}"
    await place.python(["-m", "bench.worker", "member", *target(client), queue, file])
    started = await _start(client, queue, here)
    port, other = await serve(place, url, client), await _signalled(place, client)
    taken = {"ours": 0, "theirs": 0}
    before = await _there(url)

    async def ours() -> float:
        await _next_day(url, OPEN + taken["ours"] // members)
        own = requests(here)
        rate = (await answers(place, port, own, members)).rate(201)
        taken["ours"] += members
        return rate

    async def theirs() -> float:
        day = 1 + taken["theirs"] // members
        begun = time.perf_counter()
        (await answers(place, other, _signals(here, day), members)).rate(201)
        taken["theirs"] += members
        await _kept(file, taken["theirs"])
        return members / (time.perf_counter() - begun)

    a, b = await in_turn(ours, theirs, rounds=rounds)
    more = await _there(url) - before
    checks = [
        Check("every check-in that was answered is there once", f"{more:,}", more == taken["ours"]),
        Check("every signal that was answered is a row", f"{taken['theirs']:,}", True),
    ]
    what = f"{WHAT}, {members:,} members"
    note = (
        f"To start the {members:,} workflows took another {started:.0f} s; ours needs none. 64 connections."
    )
    return [Result(15, what, AGAINST, "check-ins/s", a, b, checks=checks, note=note)]


async def _start(client: Client, queue: str, here: Crowd) -> float:
    """Start everybody's workflow; return the seconds."""
    begun = time.perf_counter()

    async def one(member: str) -> None:
        await client.start_workflow(MemberWorkflow.run, member, id=f"member/{member}", task_queue=queue)

    await at_once(one, [person_id for _, person_id in here.signed_in], WIDTH)
    return time.perf_counter() - begun


async def _signalled(place: Place, client: Client) -> int:
    address, namespace = target(client)
    return await baseline(
        place, "check_in_signal", environment={"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace}
    )


def _signals(here: Crowd, day: int) -> list[bytes]:
    body = json.dumps({"note": NOTE}).encode()
    path = path_of(here.campaign_id)
    return [
        request("POST", path, {"x-member": person_id, "x-day": str(day)}, body)
        for _, person_id in here.signed_in
    ]


async def _next_day(url: str, day: int) -> None:
    """Write the day as the campaign's process would."""
    reached = {"day": day, "closed_through": day - 1, "revision": campaigns.c.revision + 1}
    async with Database.connect(url) as db:
        await db.write(lambda conn: conn.execute(update(campaigns).values(**reached)) and None)


async def _there(url: str) -> int:
    counted = select(func.count()).where(check_ins.c.day >= OPEN)

    def read(conn: Connection) -> int:
        return int(conn.execute(counted).scalar_one())

    async with Database.connect(url) as db:
        return await db.read(read)


async def _kept(file: str, expected: int) -> None:
    """Return once so many rows are there."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        while (found := connection.execute("SELECT count(*) FROM kept").fetchone()[0]) < expected:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{found} of {expected} rows after {GIVE_UP_SECONDS:.0f} s")
            await asyncio.sleep(0.02)
    if found != expected:
        raise RuntimeError(f"{found} rows of {expected} check-ins")
