"""Work done for many at once: each has its own outcome, as if it had been alone."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
import uvloop
from sqlalchemy import Connection, insert

from db.database import Database
from db.errors import Conflict, DatabaseUnavailable
from db.tables.access import rate_counters
from db.together import MOST, UNDER_WAY, Together
from tests.db.test_database import Refused, buckets


def row(bucket: str) -> dict[str, object]:
    return {"bucket": bucket, "window": 0, "count": 0}


def add_all(conn: Connection, given: Sequence[str]) -> list[str | Exception]:
    """Insert all buckets by one statement, but for those that are refused."""
    good = [bucket for bucket in given if not bucket.startswith("bad")]
    if good:
        conn.execute(insert(rate_counters), [row(bucket) for bucket in good])
    return [Refused(bucket) if bucket.startswith("bad") else bucket for bucket in given]


async def test_each_gets_its_own_outcome_and_few_transactions_do(db: Database):
    transactions: list[int] = []

    def work(conn: Connection, given: Sequence[str]) -> list[str | Exception]:
        transactions.append(len(given))
        return add_all(conn, given)

    names = [f"bad{n:03}" if n % 7 == 3 else f"good{n:03}" for n in range(300)]
    outcomes = await asyncio.gather(
        *(db.write_together(work, name) for name in names), return_exceptions=True
    )
    for name, outcome in zip(names, outcomes, strict=True):
        assert str(outcome) == name
        assert isinstance(outcome, Refused) == name.startswith("bad")
    assert await db.read(buckets) == sorted(name for name in names if name.startswith("good"))
    assert transactions[0] == MOST == max(transactions)
    assert sum(transactions) == 300


async def test_one_that_spoils_it_for_all_fails_alone(db: Database):
    names = ["same", *(f"{n:03}" for n in range(20)), "same"]
    outcomes = await asyncio.gather(
        *(db.write_together(add_all, name) for name in names), return_exceptions=True
    )
    failed = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [conflict.constraint for conflict in failed] == ["pk_rate_counters"]
    assert await db.read(buckets) == sorted(set(names))


async def test_a_wrong_number_of_outcomes_stores_nothing(db: Database):
    def work(conn: Connection, given: Sequence[str]) -> list[str]:
        add_all(conn, given)
        return []

    with pytest.raises(RuntimeError, match="0 outcomes of 1 items"):
        await db.write_together(work, "x")
    assert await db.read(buckets) == []


async def test_kinds_of_work_do_not_mix(db: Database):
    def others(conn: Connection, given: Sequence[str]) -> list[str | Exception]:
        assert all(name.startswith("other") for name in given)
        return add_all(conn, given)

    names = [f"{kind}{n}" for n in range(20) for kind in ("one", "other")]
    await asyncio.gather(
        *(db.write_together(others if name.startswith("other") else add_all, name) for name in names)
    )
    assert await db.read(buckets) == sorted(names)


async def test_who_is_cancelled_while_waiting_is_left_out(db: Database):
    first = asyncio.create_task(db.write_together(add_all, "first"))
    gone = asyncio.create_task(db.write_together(add_all, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await first == "first"
    assert await db.write_together(add_all, "next") == "next"
    assert "gone" not in await db.read(buckets)


async def test_closing_finishes_what_waits(database_url: str):
    names = [f"{n:04}" for n in range(MOST * (UNDER_WAY + 2))]
    async with Database.connect(database_url) as db:
        waiting = [asyncio.create_task(db.write_together(add_all, name)) for name in names]
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == names
    with pytest.raises(DatabaseUnavailable):
        await db.write_together(add_all, "late")


async def test_event_loops_do_not_wait_for_each_other(db: Database):
    def elsewhere(name: str) -> None:
        async def some() -> None:
            await asyncio.gather(*(db.write_together(add_all, f"{name}{n:02}") for n in range(40)))

        uvloop.run(some())

    threads = [threading.Thread(target=elsewhere, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert len(await db.read(buckets)) == 120


async def test_who_gets_no_turn_is_told_so():
    """While the transactions under way hang."""
    hanging, reached = asyncio.Event(), asyncio.Event()

    async def write(fn):
        reached.set()
        await hanging.wait()
        return fn(None)

    together = Together(write, wait_seconds=0.05)
    under_way = []
    for n in range(UNDER_WAY):
        reached.clear()
        under_way.append(asyncio.create_task(together.do(_same, n)))
        await reached.wait()
    with pytest.raises(DatabaseUnavailable):
        await together.do(_same, "waits")
    hanging.set()
    assert await asyncio.gather(*under_way) == list(range(UNDER_WAY))
    assert await together.do(_same, "later") == "later"


async def test_an_unreachable_database_is_told_to_each_of_them():
    async def write(fn):
        raise DatabaseUnavailable("gone", outcome_unknown=True)

    together = Together(write)
    outcomes = await asyncio.gather(*(together.do(_same, n) for n in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 5
    assert all(outcome.outcome_unknown for outcome in outcomes if isinstance(outcome, DatabaseUnavailable))
    assert len({id(outcome) for outcome in outcomes}) == 5


def _same(_conn: object, given: Sequence[object]) -> list[object]:
    return list(given)
