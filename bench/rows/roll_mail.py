"""Row 5: opening mail to a large roll, against a bare bulk insert of the same rows; memory; history."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.ballots import BallotActivities
from bench import seed
from bench.bulk import Rows, postgres_bulk, sqlite_bulk
from bench.machine import resident_mib
from bench.measure import Check, Result, in_turn
from bench.place import Place
from contracts.ballots import MailRoll, OpenBallot
from db.database import Database
from db.repositories import ballots
from db.tables.mail import mails
from db.urls import normalise_url
from domain.ids import new_id
from domain.mail import MailTemplate
from domain.policy import VettingPolicy
from tests.support.community import Community
from tests.support.postgres import PostgresMissing
from tests.support.vetting import new_case

EVENTS = 500
# What a fan-out a hundred times as large may hold more: a page of SQLite's cache, not a page per voter.
FLAT_MIB = 24.0
BARE = {"sqlite": "executemany through sqlite3", "postgresql": "executemany through psycopg"}
Bulk = tuple[Callable[[], Rows], Callable[[Rows], float], Callable[[], None]]


async def measure(place: Place) -> list[Result]:
    """Measure on SQLite and PostgreSQL."""
    results = []
    for kind in BARE:
        try:
            results += await _on(place, kind)
        except PostgresMissing as error:
            results.append(
                Result(5, f"opening mail to the roll, {kind}", BARE[kind], "rows/s", missing=str(error))
            )
    return results


async def _on(place: Place, kind: str) -> list[Result]:
    voters = 5_000 if place.quick else 100_000
    url = place.database(kind)
    async with Database.connect(url) as db:
        await seed.members(db, voters)
        orders = await _opened(db)
        results = [await _against(place, db, orders, voters, kind, _bulk(url))]
        if kind == "postgresql":
            results.append(await _against(place, db, orders, voters, kind, _bulk(url, copy=True), copy=True))
    checks = await _through_the_process(place, kind, 1_000, voters)
    results[0] = Result(**{**vars(results[0]), "checks": checks})
    return results


def _bulk(url: str, *, copy: bool = False) -> Bulk:
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite_bulk(str(parsed.database))
    return postgres_bulk(url, copy=copy)


async def _opened(db: Database) -> list[MailRoll]:
    """Open a ballot on everybody in the database; return the orders of all its shards."""
    at, ballot_id, application_id = datetime.now(UTC), new_id(), new_id()
    candidate = (await seed.members(db, 1))[0]
    rules = VettingPolicy().vote
    ballot = OpenBallot(
        ballot_id=ballot_id,
        process_id=f"application/{application_id}",
        subject_id=application_id,
        candidate_id=candidate,
        kind="vetting",
        opens_at=at,
        closes_at=at + timedelta(days=rules.window_days),
        member_for_days=rules.member_for_days,
        quorum_share=rules.quorum_share,
        quorum_minimum=rules.quorum_minimum,
        approval_share=rules.approval_share,
    )
    await db.write(lambda conn: ballots.open_ballot(conn, ballot, at))
    return [
        MailRoll(
            ballot_id=ballot_id,
            process_id=ballot.process_id,
            template=MailTemplate.BALLOT_OPENED,
            number=0,
            candidate_id=candidate,
            application_id=application_id,
            closes_at=ballot.closes_at,
            only_not_voted=False,
            shard=shard,
            shards=rules.mail_shards,
        )
        for shard in range(rules.mail_shards)
    ]


async def _against(
    place: Place,
    db: Database,
    orders: list[MailRoll],
    voters: int,
    kind: str,
    bulk: Bulk,
    *,
    copy: bool = False,
) -> Result:
    read, insert, empty = bulk
    empty()
    same_rows: list[Rows] = []

    async def ours() -> float:
        empty()
        activities, started = BallotActivities(db), time.perf_counter()
        shards = await asyncio.gather(*(ActivityEnvironment().run(activities.mail_roll, o) for o in orders))
        taken = time.perf_counter() - started
        queued = sum(shard.queued for shard in shards)
        if queued != voters:
            raise RuntimeError(f"{queued} mails for {voters} voters")
        if not same_rows:
            same_rows.append(await asyncio.to_thread(read))
        return voters / taken

    async def theirs() -> float:
        empty()
        return voters / await asyncio.to_thread(insert, same_rows[0])

    a, b = await in_turn(ours, theirs, rounds=place.pairs(2 if copy else 3))
    against = "COPY through psycopg" if copy else f"{BARE[kind]}, one transaction"
    return Result(
        5, f"opening mail to a roll of {voters:,}, {kind}", against, "rows/s", a, b, None if copy else 0.4
    )


async def _through_the_process(place: Place, kind: str, few: int, many: int) -> list[Check]:
    """Let a real worker open ballots of two sizes; look at its memory and at the histories."""
    client = await place.temporal()
    checks, growth = [], {}
    for voters in (few, many):
        events, before, peak, after = await _one_ballot(place, client, kind, voters)
        growth[voters] = peak - before
        checks.append(
            Check(f"history events at {voters:,} voters", f"{events} (≤ {EVENTS})", events <= EVENTS)
        )
        memory = f"{before:.0f} MiB before, {peak:.0f} at most, {after:.0f} after"
        checks.append(Check(f"worker's memory at {voters:,} voters", memory, True))
    more = growth[many] - growth[few]
    what = f"memory flat: growth at {many:,} voters against {few:,}"
    checks.append(Check(what, f"{more:+.0f} MiB (≤ {FLAT_MIB:.0f})", more <= FLAT_MIB))
    return checks


async def _one_ballot(
    place: Place, client: Client, kind: str, voters: int
) -> tuple[int, float, float, float]:
    """Return history events and the worker's memory (MiB): before, at most, after."""
    url, queue = place.database(kind), f"bench-{new_id()[-6:]}"
    async with Database.connect(url) as db:
        here = Community(db, client, queue)
        await here.populate(0)
        await seed.members(db, voters)
        worker = await place.python(
            [
                "-m",
                "bench.worker",
                "vetting",
                client.service_client.config.target_host,
                client.namespace,
                queue,
                url,
            ]
        )
        await _warm(here)
        case = await new_case(here)
        await case.submit()
        before = resident_mib(worker.pid)
        watch = asyncio.create_task(_peak(worker))
        await case.approve()
        await _all_mailed(db, case.process_id, voters)
        await asyncio.sleep(1.0)
        watch.cancel()
        peak = watch.result() if watch.done() and not watch.cancelled() else _seen[worker.pid]
        events = len((await case.handle.fetch_history()).events)
        return events, before, peak, resident_mib(worker.pid)


_seen: dict[int, float] = {}


async def _peak(worker: subprocess.Popen[bytes]) -> float:
    with suppress(asyncio.CancelledError):
        while True:
            _seen[worker.pid] = max(_seen.get(worker.pid, 0.0), resident_mib(worker.pid))
            await asyncio.sleep(0.01)
    return _seen[worker.pid]


async def _warm(here: Community) -> None:
    """Have the worker load its code and open its connections: that is no growth."""
    for _ in range(3):
        case = await new_case(here, await here.person("warm-up"))
        await case.submit()
        await case.reject()


async def _all_mailed(db: Database, process_id: str, voters: int) -> None:
    mine = select(func.count()).where(
        mails.c.process_id == process_id, mails.c.template == MailTemplate.BALLOT_OPENED.value
    )

    def count(conn: Connection) -> int:
        return int(conn.execute(mine).scalar_one())

    deadline = time.monotonic() + 120
    while (found := await db.read(count)) < voters:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found} of {voters} mails after two minutes")
        await asyncio.sleep(0.1)
