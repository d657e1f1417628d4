"""The writer thread: batches, durability, and what happens when the file cannot be written."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select, text

from db.database import Database
from db.errors import DatabaseUnavailable
from db.migrate import upgrade
from db.sqlite import MAX_BATCH, SqliteRunner, sqlite_engine
from db.tables.access import rate_counters
from db.urls import normalise_url
from tests.db.test_database import Refused, add, buckets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def db(sqlite_url: str):
    """SQLite alone, which gives up on a lock after a moment."""
    database = Database(SqliteRunner(normalise_url(sqlite_url), busy_seconds=0.3))
    yield database
    await database.close()


def count_commits(db: Database) -> list[None]:
    """A list that grows with every COMMIT of the writer."""
    commits: list[None] = []
    engine = db._runner._writer._engine  # type: ignore[attr-defined]
    event.listen(engine, "commit", lambda conn: commits.append(None))
    return commits


async def hold_writer(db: Database) -> tuple[asyncio.Task[bool], threading.Event]:
    """Keep the writer busy, so that what is queued meanwhile makes one batch."""
    began, release = threading.Event(), threading.Event()

    def fn(conn: Connection) -> bool:
        began.set()
        return release.wait(10)

    task = asyncio.create_task(db.write(fn))
    await asyncio.to_thread(began.wait, 10)
    return task, release


async def test_what_queues_up_is_committed_once(db: Database):
    commits = count_commits(db)
    held, release = await hold_writer(db)
    waiting = [asyncio.create_task(db.write(add(f"{n:04}"))) for n in range(MAX_BATCH + 10)]
    await asyncio.sleep(0)
    release.set()
    await held
    await asyncio.gather(*waiting)
    assert len(commits) == 3  # the one that was held, a full batch, the rest
    assert len(await db.read(buckets)) == MAX_BATCH + 10


async def test_nobody_is_answered_before_the_commit(db: Database, sqlite_url: str):
    """Another connection sees a write by the time its caller is told, and not while it is in the batch."""
    other = sqlite3.connect(normalise_url(sqlite_url).database or "")
    query = "SELECT count(*) FROM rate_counters"
    seen_inside: list[int] = []

    def fn(conn: Connection) -> None:
        add("one")(conn)
        seen_inside.append(
            sqlite3.connect(normalise_url(sqlite_url).database or "").execute(query).fetchone()[0]
        )

    await db.write(fn)
    assert seen_inside == [0]
    assert other.execute(query).fetchone()[0] == 1


async def test_when_the_commit_fails_everybody_fails(db: Database):
    held, release = await hold_writer(db)

    def owe(conn: Connection) -> None:
        """A deferred foreign key is only looked at by COMMIT."""
        conn.execute(text("PRAGMA defer_foreign_keys = ON"))
        conn.execute(
            text("INSERT INTO role_grants (person_id, role, granted_at) VALUES ('nobody', 'member', '2024')")
        )

    def refuse(conn: Connection) -> None:
        raise Refused

    tasks = [asyncio.create_task(db.write(fn)) for fn in (add("before"), owe, refuse, add("after"))]
    await asyncio.sleep(0)
    release.set()
    await held
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, Exception) for outcome in outcomes)
    assert isinstance(outcomes[2], Refused)
    assert await db.read(buckets) == []
    await db.write(add("later"))


@pytest.mark.parametrize("settle", ["commit", "rollback"])
async def test_a_function_cannot_settle_the_batch_of_the_others(db: Database, settle: str):
    held, release = await hold_writer(db)

    def misbehave(conn: Connection) -> None:
        add("bad")(conn)
        getattr(conn, settle)()

    tasks = [asyncio.create_task(db.write(fn)) for fn in (add("before"), misbehave, add("after"))]
    await asyncio.sleep(0)
    release.set()
    await held
    before, bad, after = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(bad, RuntimeError)
    assert (before, after) == (1, 1)
    assert await db.read(buckets) == ["after", "before"]


async def test_locked_by_another_process(db: Database, sqlite_url: str):
    other = sqlite3.connect(normalise_url(sqlite_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(db.write(add(f"{n}")) for n in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 5
    assert await db.read(buckets) == []  # reading goes on
    other.execute("ROLLBACK")
    assert await db.write(add("free", 3)) == 3


async def test_a_missing_directory_is_unavailable(tmp_path: Path):
    db = Database.connect(f"sqlite:///{tmp_path}/no/where.db")
    with pytest.raises(DatabaseUnavailable):
        await db.write(add("x"))
    with pytest.raises(DatabaseUnavailable):
        await db.ping()
    await db.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path):
    (tmp_path / "letter.db").write_text("Dear all, this is a letter and not a database. " * 100)
    db = Database.connect(f"sqlite:///{tmp_path}/letter.db")
    with pytest.raises(DatabaseUnavailable):
        await db.write(add("x"))
    with pytest.raises(DatabaseUnavailable):
        await db.read(buckets)
    await db.close()


def test_every_connection_is_durable_and_checks_references(sqlite_url: str):
    with sqlite_engine(normalise_url(sqlite_url)).begin() as conn:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [conn.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas]
    assert values == ["wal", 2, 1, 15_000]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(place)], check=True)


async def test_a_full_disk_is_unavailable_until_there_is_room(small_disk: Path):
    url = f"sqlite:///{small_disk}/kameng.db"
    upgrade(url)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_200_000)
    db = Database.connect(url)
    acknowledged: list[str] = []

    async def write_on() -> None:
        for number in range(100_000):
            bucket = f"{number:06}" + "x" * 150
            await db.write(add(bucket))
            acknowledged.append(bucket)

    with pytest.raises(DatabaseUnavailable, match="FULL"):
        await write_on()
    assert acknowledged
    assert await db.read(buckets) == acknowledged
    ballast.unlink()
    await db.write(add("zz there is room again"))
    assert await db.read(buckets) == [*acknowledged, "zz there is room again"]
    await db.close()


async def test_a_read_only_disk_is_unavailable_for_writing(small_disk: Path):
    url = f"sqlite:///{small_disk}/kameng.db"
    upgrade(url)
    db = Database.connect(url)
    await db.write(add("before"))
    await db.close()
    remount(small_disk, "ro")
    db = Database.connect(url)
    with pytest.raises(DatabaseUnavailable):
        await db.write(add("after"))
    await db.close()
    remount(small_disk, "rw")
    async with Database.connect(url) as db:
        assert await db.read(buckets) == ["before"]


def start(program: str, url: str) -> subprocess.Popen[str]:
    """Run a program of ours in a process of its own."""
    command = [sys.executable, "-c", program, url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


ACKNOWLEDGE = """
import asyncio, sys
from db.database import Database
from tests.db.test_database import add

async def main(url):
    db = Database.connect(url)

    async def client(name):
        for number in range(100_000):
            await db.write(add(f"{name}{number:06}"))
            print(f"{name}{number:06}", flush=True)

    await asyncio.gather(*(client(name) for name in "abcdefgh"))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.faults
async def test_what_was_acknowledged_survives_a_kill(sqlite_url: str):
    with start(ACKNOWLEDGE, sqlite_url) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(400)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    async with Database.connect(sqlite_url) as db:
        stored = await db.read(buckets)
    assert len(acknowledged) >= 400
    assert set(acknowledged) <= set(stored)


INCREMENT = """
import asyncio, sys
from sqlalchemy import select, update
from db.database import Database
from db.tables.access import rate_counters as counters

def increment(conn):
    count = conn.execute(select(counters.c.count)).scalar_one()
    conn.execute(update(counters).values(count=count + 1))

async def main(url):
    async with Database.connect(url) as db:
        for _ in range(50):
            await asyncio.gather(*(db.write(increment) for _ in range(4)))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.faults
async def test_four_processes_write_one_file(sqlite_url: str):
    async with Database.connect(sqlite_url) as db:
        await db.write(
            lambda conn: (
                conn.execute(insert(rate_counters), {"bucket": "n", "window": 0, "count": 0}).rowcount
            )
        )
        processes = [start(INCREMENT, sqlite_url) for _ in range(4)]
        codes = [await asyncio.to_thread(process.wait) for process in processes]
        assert codes == [0] * 4
        count = await db.read(lambda conn: conn.execute(select(rate_counters.c.count)).scalar_one())
    assert count == 4 * 50 * 4
