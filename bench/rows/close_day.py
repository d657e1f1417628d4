"""Row 11: closing a day for everybody, against the one set-based statement that would do it; memory."""

import asyncio
import sqlite3
import time

import psycopg
from sqlalchemy import Connection, func, select

from bench.bulk_work import Done, shards_of, work
from bench.crowd import OVER, Crowd
from bench.measure import Check, Result, in_turn
from bench.place import Place
from db.database import Database
from db.tables.campaigns import check_ins, enrolments
from db.tables.mail import mails
from db.urls import normalise_url, sqlite_file
from domain.campaigns.policy import CampaignPolicy
from tests.support.postgres import PostgresMissing

SIZES = {"postgresql": 1_000_000, "sqlite": 200_000}
QUICK, FEW = 10_000, 20_000
FLAT_MIB = 24.0
AGAINST = "the one UPDATE that would do it, through the driver, without nudges and sums"

_BARE = f"""
    UPDATE enrolments SET
        missed = missed + CASE WHEN last_day < {OVER} OR (last_day > {OVER} AND NOT EXISTS (
            SELECT 1 FROM check_ins c WHERE c.campaign_id = enrolments.campaign_id
            AND c.day = {OVER} AND c.person_id = enrolments.person_id)) THEN 1 ELSE 0 END,
        missed_in_a_row = CASE WHEN last_day < {OVER} THEN missed_in_a_row + 1 ELSE 0 END,
        streak = CASE WHEN last_day < {OVER} THEN 0 ELSE streak END,
        closed_through = {OVER}
    WHERE campaign_id = (SELECT id FROM campaigns) AND status = 'active'
        AND first_day <= {OVER} AND closed_through < {OVER}
"""


async def measure(place: Place) -> list[Result]:
    """Measure on PostgreSQL and SQLite."""
    results = []
    for kind, members in SIZES.items():
        what = f"closing a day for {members:,}, {kind}"
        try:
            results.append(await _on(place, kind, QUICK if place.quick else members))
        except PostgresMissing as error:
            results.append(Result(11, what, AGAINST, "s", missing=str(error)))
    return results


async def _on(place: Place, kind: str, members: int) -> Result:
    shards = CampaignPolicy().shards(SIZES[kind])
    few = QUICK if place.quick else FEW
    runs: list[Done] = []
    checks: list[Check] = []

    async def ours() -> float:
        async with place.ground.copy(kind, members) as crowd, place.ground.copy(kind, few) as warm_up:
            before = await _standing(crowd)
            done = await asyncio.to_thread(work, "close_day", crowd, shards_of(crowd, shards), warm_up)
            checks[:] = [_all_closed(crowd, before, await _standing(crowd), done)]
        runs.append(done)
        return done.seconds

    async def theirs() -> float:
        async with place.ground.copy(kind, members) as crowd:
            return await asyncio.to_thread(_bare, crowd.url)

    a, b = await in_turn(ours, theirs, rounds=place.pairs(3), warm_up=False)
    async with place.ground.copy(kind, few) as crowd, place.ground.copy(kind, few) as warm_up:
        little = await asyncio.to_thread(work, "close_day", crowd, shards_of(crowd, shards), warm_up)
    checks.append(flat(runs[-1], members, little, few))
    what = f"closing a day for {members:,}, {kind}"
    note = (
        f"{shards} shards at once in one worker process, which has closed a day of {FEW:,} before, page by "
        "page, a transaction each; with nudges to who has missed the third day in a row, friends who became "
        "active, and the day's sums."
    )
    return Result(11, what, AGAINST, "s", a, b, 1.8, at_most=True, checks=checks, note=note)


def flat(many: Done, members: int, few: Done, fewer: int) -> Check:
    """Compare how much a worker's memory grew with many members and with few."""
    more = many.growth_mib - few.growth_mib
    found = (
        f"{many.growth_mib:.0f} MiB at {members:,}, {few.growth_mib:.0f} at {fewer:,} (≤ {FLAT_MIB:.0f} more)"
    )
    return Check("memory flat: growth of the worker's resident memory at its peak", found, more <= FLAT_MIB)


def _bare(url: str) -> float:
    """Run the statement in one transaction; return the seconds."""
    if normalise_url(url).get_backend_name() != "sqlite":
        with psycopg.connect(url) as connected:
            started = time.perf_counter()
            connected.execute(_BARE.encode())
            connected.commit()
            return time.perf_counter() - started
    connection = sqlite3.connect(sqlite_file(normalise_url(url)), isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16000"):
        connection.execute(f"PRAGMA {setting}")
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_BARE)
    connection.execute("COMMIT")
    taken = time.perf_counter() - started
    connection.close()
    return taken


async def _standing(crowd: Crowd) -> dict[str, int]:
    """Return what a close changes, summed over everybody."""
    counted = {
        "closed": func.coalesce(func.sum(enrolments.c.closed_through), 0),
        "missed": func.coalesce(func.sum(enrolments.c.missed), 0),
    }
    checked_in = select(func.count()).where(check_ins.c.day == OVER)

    def read(conn: Connection) -> dict[str, int]:
        row = conn.execute(select(*(value.label(name) for name, value in counted.items()))).one()
        numbers = {name: int(getattr(row, name)) for name in counted}
        numbers["done"] = int(conn.execute(checked_in).scalar_one())
        numbers["mails"] = int(conn.execute(select(func.count()).select_from(mails)).scalar_one())
        numbers["people"] = int(
            conn.execute(select(func.count(mails.c.person_id.distinct())).select_from(mails)).scalar_one()
        )
        return numbers

    async with Database.connect(crowd.url) as db:
        return await db.read(read)


def _all_closed(crowd: Crowd, before: dict[str, int], after: dict[str, int], done: Done) -> Check:
    members, result = crowd.members, done.result
    found = (
        f"{after['closed'] - before['closed']:,} closed of {members:,}, {result.done:,} checked in, "
        f"{after['missed'] - before['missed']:,} missed, {after['mails']:,} nudged"
    )
    met = (
        after["closed"] - before["closed"] == members == result.members
        and result.done == after["done"]
        and after["missed"] - before["missed"] == members - after["done"]
        and after["mails"] == after["people"] > 0
    )
    return Check("everybody is closed once, and counted as they checked in", found, met)
