"""What every caller may rely on, on SQLite and PostgreSQL alike."""

import asyncio
import threading

import pytest
import uvloop
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from db.database import Database
from db.errors import BrokenReference, Conflict, DatabaseUnavailable
from db.tables.access import rate_counters
from db.tables.people import people, role_grants
from tests.support.people import LONG_AGO, create_person


def add(bucket: str, count: int = 1):
    """A function that inserts one counter and returns its count."""

    def fn(conn: Connection) -> int:
        conn.execute(insert(rate_counters), {"bucket": bucket, "window": 0, "count": count})
        return count

    return fn


def buckets(conn: Connection) -> list[str]:
    return list(conn.execute(select(rate_counters.c.bucket).order_by(rate_counters.c.bucket)).scalars())


class Refused(Exception):
    pass


async def test_a_write_is_read_at_once(db: Database):
    for number in range(20):
        await db.write(add(f"{number:02}"))
        assert len(await db.read(buckets)) == number + 1


async def test_many_at_once_each_with_its_own_outcome(db: Database):
    def fail_after_writing(bucket: str):
        def fn(conn: Connection) -> None:
            add(bucket)(conn)
            raise Refused(bucket)

        return fn

    jobs = [
        db.write(fail_after_writing(f"bad{n:03}") if n % 7 == 3 else add(f"good{n:03}", n))
        for n in range(300)
    ]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        if number % 7 == 3:
            assert isinstance(outcome, Refused)
            assert str(outcome) == f"bad{number:03}"
        else:
            assert outcome == number
    assert await db.read(buckets) == [f"good{n:03}" for n in range(300) if n % 7 != 3]


async def test_of_many_with_one_key_one_wins_and_the_others_are_told(db: Database):
    outcomes = await asyncio.gather(*(db.write(add("same")) for _ in range(20)), return_exceptions=True)
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert outcomes.count(1) == 1
    assert [conflict.constraint for conflict in conflicts] == ["pk_rate_counters"] * 19


async def test_a_conflict_names_the_constraint_and_a_broken_reference_is_one(db: Database):
    person = await db.write(lambda conn: create_person(conn, "an"))
    with pytest.raises(Conflict) as caught:
        await db.write(
            lambda conn: conn.execute(insert(people), {**person.model_dump(mode="python"), "id": "other"})
        )
    assert caught.value.constraint == "uq_people_email_normalised"
    row = {"person_id": "nobody", "role": "member", "granted_at": LONG_AGO}
    with pytest.raises(BrokenReference):
        await db.write(lambda conn: conn.execute(insert(role_grants), row).rowcount)


async def test_a_savepoint_inside_a_write(db: Database):
    def fn(conn: Connection) -> None:
        add("kept")(conn)
        try:
            with conn.begin_nested():
                add("dropped")(conn)
                raise Refused
        except Refused:
            add("after")(conn)

    await db.write(fn)
    assert await db.read(buckets) == ["after", "kept"]


async def test_a_read_cannot_write(db: Database):
    with pytest.raises((DBAPIError, DatabaseUnavailable)):
        await db.read(add("no"))
    assert await db.read(buckets) == []
    await db.write(add("yes"))


async def test_a_read_is_one_snapshot(db: Database):
    """What commits between two statements of a read is not seen by the second."""
    began, written = threading.Event(), threading.Event()

    def fn(conn: Connection) -> tuple[int, int]:
        before = len(buckets(conn))
        began.set()
        assert written.wait(10)
        return before, len(buckets(conn))

    reading = asyncio.create_task(db.read(fn))
    await asyncio.to_thread(began.wait, 10)
    await db.write(add("meanwhile"))
    written.set()
    assert await reading == (0, 0)
    assert await db.read(buckets) == ["meanwhile"]


async def test_no_update_is_lost_between_many_that_read_first(db: Database):
    await db.write(add("counter", 0))

    def increment(conn: Connection) -> None:
        counter = select(rate_counters.c.count).with_for_update()
        count = conn.execute(counter).scalar_one()
        conn.execute(update(rate_counters).values(count=count + 1))

    await asyncio.gather(*(db.write(increment) for _ in range(100)))
    assert await db.read(lambda conn: conn.execute(select(rate_counters.c.count)).scalar_one()) == 100


async def test_callers_who_leave_do_not_harm_those_who_stay(db: Database):
    tasks = [asyncio.create_task(db.write(add(f"{n:03}"))) for n in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[1::2] == [1] * 100
    assert {f"{n:03}" for n in range(1, 200, 2)} <= set(await db.read(buckets))
    await db.write(add("still here"))


async def test_close_finishes_what_is_queued_and_refuses_what_comes_later(database_url: str):
    db = Database.connect(database_url)
    tasks = [asyncio.create_task(db.write(add(f"{n:03}"))) for n in range(100)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*tasks) == [1] * 100
    with pytest.raises(DatabaseUnavailable):
        await db.write(add("late"))
    with pytest.raises(DatabaseUnavailable):
        await db.read(buckets)
    with pytest.raises(DatabaseUnavailable):
        await db.ping()
    async with Database.connect(database_url) as again:
        assert len(await again.read(buckets)) == 100


async def test_closing_twice_or_unused_is_harmless(database_url: str):
    db = Database.connect(database_url)
    await db.close()
    await db.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
async def test_several_event_loops_share_one_database(db: Database, run):
    async def work(name: str) -> None:
        await asyncio.gather(*(db.write(add(f"{name}{n}")) for n in range(50)))
        assert len(await db.read(buckets)) >= 50

    threads = [threading.Thread(target=run, args=(work(name),)) for name in "ab"]
    for thread in threads:
        thread.start()
    await work("c")
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert (
        await db.read(lambda conn: conn.execute(select(func.count()).select_from(rate_counters)).scalar())
        == 150
    )


async def test_a_loop_that_ends_while_waiting_leaves_the_writer_alive(db: Database):
    release = threading.Event()
    held = asyncio.create_task(db.write(lambda conn: release.wait(10)))
    await asyncio.sleep(0.05)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(db.write(lambda conn: release.wait(10)), 0.01)

    await asyncio.to_thread(asyncio.run, leave())
    release.set()
    assert await held
    await db.write(add("next"))
    assert "next" in await db.read(buckets)


async def test_ping_is_bounded(db: Database):
    await db.ping(seconds=5)
    release = threading.Event()
    # Every reader is busy, so nothing can answer.
    busy = [asyncio.create_task(db.read(lambda conn: release.wait(20))) for _ in range(10)]
    await asyncio.sleep(0.05)
    with pytest.raises(DatabaseUnavailable):
        await db.ping(seconds=0.2)
    release.set()
    await asyncio.gather(*busy)
    await db.ping(seconds=5)


@pytest.mark.parametrize(
    "url",
    ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "nonsense", ""],
)
def test_urls_of_another_kind_are_refused(url: str):
    with pytest.raises(ValueError, match="DATABASE_URL"):
        Database.connect(url)


def test_a_refused_url_keeps_its_password_to_itself():
    with pytest.raises(ValueError) as caught:
        Database.connect("mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)
