"""PostgreSQL: retries, time-outs, and a server that goes away and comes back."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import Connection, select, text

from db.database import Database
from db.errors import DatabaseUnavailable
from db.migrate import upgrade
from db.postgres import PostgresRunner
from db.statements import insert_ignore
from db.tables.access import rate_counters
from db.urls import normalise_url
from engine import processes
from tests.db.test_database import add, buckets
from tests.support.missing import missing
from tests.support.postgres import Postgres, PostgresMissing, create_database


@pytest.fixture
async def db(postgres_url: str):
    async with Database.connect(postgres_url) as database:
        yield database


async def test_deadlocks_are_tried_again(db: Database):
    await db.write(lambda conn: [add("a", 0)(conn), add("b", 0)(conn)])
    both_hold_one = threading.Barrier(2)
    tries = count()

    def lock(first: str, second: str):
        def fn(conn: Connection) -> None:
            take = text("UPDATE rate_counters SET count = count + 1 WHERE bucket = :bucket")
            conn.execute(take, {"bucket": first})
            if next(tries) < 2:
                both_hold_one.wait(10)
            conn.execute(take, {"bucket": second})

        return fn

    await asyncio.gather(db.write(lock("a", "b")), db.write(lock("b", "a")))
    counts = await db.read(lambda conn: conn.execute(select(rate_counters.c.count)).scalars().all())
    assert counts == [2, 2]
    assert next(tries) > 2


async def test_a_connection_cut_by_the_server_is_replaced(db: Database):
    await asyncio.gather(*(db.write(add(f"{n:02}")) for n in range(10)))
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await db.read(lambda conn: conn.execute(cut).all())
    await asyncio.gather(*(db.write(add(f"{n:02}")) for n in range(10, 30)))
    assert len(await db.read(buckets)) == 30


async def test_a_server_that_refuses_is_noticed_at_once():
    db = Database.connect(f"postgresql://me@127.0.0.1:{processes.free_port()}/x")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await db.write(add("x"))
    with pytest.raises(DatabaseUnavailable):
        await db.ping()
    assert time.monotonic() - began < 2
    await db.close()


async def test_a_server_that_never_answers_is_noticed_within_seconds():
    """Even by callers that had to queue behind others."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(
            PostgresRunner(
                normalise_url(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"),
                pool_size=2,
                queue_seconds=1,
            )
        )
        began = time.monotonic()
        outcomes = await asyncio.gather(*(db.read(buckets) for _ in range(20)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 20
        assert time.monotonic() - began < 5
        await db.close()


async def test_a_transaction_that_hangs_is_given_up(postgres_url: str):
    db = Database(
        PostgresRunner(normalise_url(postgres_url), pool_size=1, queue_seconds=0.1, transaction_seconds=0.4)
    )
    with pytest.raises(DatabaseUnavailable) as caught:
        await db.write(lambda conn: conn.execute(text("SELECT pg_sleep(60)")).all())
    assert caught.value.outcome_unknown
    # Its thread is free again.
    for _ in range(50):
        try:
            await db.write(add("next"))
            break
        except DatabaseUnavailable:
            await asyncio.sleep(0.05)
    assert await db.read(buckets) == ["next"]
    await db.close()


async def test_a_bug_in_sql_is_not_called_unavailable(db: Database):
    with pytest.raises(Exception, match="no_such_column") as caught:
        await db.read(lambda conn: conn.execute(text("SELECT no_such_column FROM people")))
    assert not isinstance(caught.value, DatabaseUnavailable)


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """A server of this test's own, to be killed."""
    try:
        server = Postgres.start()
    except PostgresMissing as error:
        missing("POSTGRESQL", error)
    yield server
    server.stop()


async def crash_and_restart(server: Postgres, seconds: float) -> None:
    """End the server as a crash would, and start it again after a while."""
    command = server.process.args
    assert isinstance(command, list)
    server.process.send_signal(signal.SIGQUIT)
    await asyncio.to_thread(server.process.wait)
    await asyncio.sleep(seconds)
    log = server.directory / "postgres.log"
    user = server.user if os.geteuid() == 0 else None
    server.process = processes.spawn(command, os.environ, log, user=user)
    await asyncio.to_thread(processes.wait_for_port, server.port, server.process, "PostgreSQL", log, 30)


@pytest.mark.faults
async def test_a_crash_loses_nothing_that_was_acknowledged(own_server: Postgres):
    # The tests' server answers before it has written; here every answer must hold.
    url = create_database(own_server.admin_url, "crash") + "?options=-csynchronous_commit%3Don"
    upgrade(url)
    acknowledged: list[str] = []
    refused = 0
    stop = asyncio.Event()

    async def client(db: Database, name: str) -> None:
        nonlocal refused
        for number in count():
            if stop.is_set():
                return
            bucket = f"{name}{number:05}"
            row = {"bucket": bucket, "window": 0, "count": 0}
            while True:
                try:
                    await db.write(lambda conn, row=row: insert_ignore(conn, rate_counters, [row]))  # type: ignore[misc]
                    break
                except DatabaseUnavailable:
                    refused += 1
                    await asyncio.sleep(0.05)
            acknowledged.append(bucket)

    async with Database.connect(url) as db:
        clients = [asyncio.create_task(client(db, name)) for name in "abcd"]
        await asyncio.sleep(0.3)
        before = len(acknowledged)
        await crash_and_restart(own_server, 0.3)
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*clients)
        assert refused
        assert 0 < before < len(acknowledged)
        assert await db.read(buckets) == sorted(acknowledged)
