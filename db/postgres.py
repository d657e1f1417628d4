"""PostgreSQL: plain transactions in a pool of threads, one connection each.

Threads, because psycopg's blocking calls cost less than half the processor time of its asynchronous
ones, functions never hold up an event loop, and one pool serves any number of loops.
"""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from db.errors import BrokenReference, Conflict, DatabaseUnavailable, NotMigrated

T = TypeVar("T")

POOL_SIZE: Final = 10
CONNECT_SECONDS: Final = 3
QUEUE_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 60
TRANSACTION_SECONDS: Final = 90
ATTEMPTS: Final = 6

_RETRY: Final = frozenset({"40001", "40P01"})
# Connection lost, out of resources, shutting down, system error; then read-only, lock time-out, corrupt.
_UNAVAILABLE_CLASSES: Final = frozenset({"08", "53", "57", "58"})
_UNAVAILABLE: Final = frozenset({"25006", "55P03", "XX001", "XX002"})

_CONNECT_ARGS: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "kameng",
    # A connection that died without a word is noticed within seconds, not after the kernel's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": (
        f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout=15s "
        "-c idle_in_transaction_session_timeout=120s -c timezone=UTC"
    ),
}


def postgres_engine(url: URL, *, pool_size: int = 1) -> Engine:
    """Return an engine with bounded waits; what the query part of ``url`` says wins."""
    arguments = {name: value for name, value in _CONNECT_ARGS.items() if name not in url.query}
    return create_engine(
        url,
        # The text of an error ends in logs and process histories, which hold no personal data.
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=QUEUE_SECONDS,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args=arguments,
    )


def translate(error: BaseException) -> BaseException:
    """Return what a caller should see instead of the driver's ``error``; other errors as they are."""
    orig = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(orig, psycopg.Error):
        return error
    if isinstance(orig, psycopg.errors.UniqueViolation):
        return Conflict(str(orig.diag.constraint_name))
    if isinstance(orig, psycopg.errors.ForeignKeyViolation):
        return BrokenReference(orig.diag.constraint_name)
    if isinstance(orig, psycopg.errors.UndefinedTable):
        return NotMigrated()
    if _is_unavailable(orig):
        return DatabaseUnavailable(f"PostgreSQL: {orig.sqlstate or type(orig).__name__}")
    return error


def _is_unavailable(orig: psycopg.Error) -> bool:
    state = orig.sqlstate
    if state is None:
        # No answer from the server: refused, cut, or timed out.
        return isinstance(orig, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _RETRY or state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES


def _may_repeat(error: BaseException) -> bool:
    """Tell whether a transaction that failed before its COMMIT was sent is worth another try at once."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _RETRY


@dataclass(slots=True, eq=False)
class _Running:
    """A transaction under way: since when (monotonic seconds), and on which socket."""

    since: float
    socket: int | None = None
    given_up: bool = False

    def give_up(self) -> None:
        """Break the connection under the waiting thread, which then fails instead of waiting on."""
        self.given_up = True
        if self.socket is not None:
            with socket.socket(fileno=os.dup(self.socket)) as cut:
                cut.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class PostgresRunner:
    """Runs functions on PostgreSQL; usable from several event loops at once."""

    url: URL
    pool_size: int = POOL_SIZE
    queue_seconds: float = QUEUE_SECONDS
    transaction_seconds: float = TRANSACTION_SECONDS
    dialect: str = field(default="postgresql", init=False)
    _engine: Engine = field(init=False)
    _read_engine: Engine = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _running: set[_Running] = field(init=False, default_factory=set)
    _gate: threading.Lock = field(init=False, default_factory=threading.Lock)
    _closed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._engine = postgres_engine(self.url, pool_size=self.pool_size)
        self._read_engine = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._threads = ThreadPoolExecutor(self.pool_size, thread_name_prefix="kameng-postgres")

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in a transaction of its own; deadlocks and stale connections are tried again."""
        return await self._submit(self._engine, fn)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` on one snapshot; it cannot write."""
        return await self._submit(self._read_engine, fn)

    async def close(self) -> None:
        """Finish what is queued and running, then close all connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def _submit(self, engine: Engine, fn: Callable[[Connection], T]) -> T:
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        self._give_up_overdue()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.queue_seconds + self.transaction_seconds) as bound:
                return await loop.run_in_executor(
                    self._threads, self._repeat, engine, fn, time.monotonic() + self.queue_seconds
                )
        except TimeoutError as error:
            if not bound.expired():
                raise
            self._give_up_overdue()
            raise DatabaseUnavailable("PostgreSQL: no answer", outcome_unknown=True) from error

    def _give_up_overdue(self) -> None:
        with self._gate:
            now = time.monotonic()
            for running in self._running:
                if not running.given_up and now - running.since >= self.transaction_seconds:
                    running.give_up()

    def _repeat(self, engine: Engine, fn: Callable[[Connection], T], start_by: float) -> T:
        """Run ``fn`` until it is done, final, or out of attempts; sheds what waited too long for a thread."""
        running = _Running(time.monotonic())
        if running.since > start_by:
            raise DatabaseUnavailable(f"PostgreSQL: no connection free within {self.queue_seconds:g} s")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._transact(engine, fn, running)
            except Exception as error:
                if attempt == ATTEMPTS or running.given_up or not _may_repeat(error):
                    seen = translate(error)
                    if seen is error:
                        raise
                    raise seen from error
            time.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise AssertionError("unreachable")

    def _transact(self, engine: Engine, fn: Callable[[Connection], T], running: _Running) -> T:
        with engine.connect() as conn:
            raw = conn.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            with self._gate:
                running.socket = raw.pgconn.socket
                self._running.add(running)
            try:
                transaction = conn.begin()
                try:
                    value = fn(conn)
                except BaseException:
                    transaction.rollback()
                    raise
                _commit(conn)
                return value
            finally:
                with self._gate:
                    self._running.discard(running)
                    running.socket = None


def _commit(conn: Connection) -> None:
    """Commit; an error here is final, because the server may have committed before it fell silent."""
    try:
        conn.commit()
    except DBAPIError as error:
        seen = translate(error)
        if isinstance(seen, DatabaseUnavailable):
            raise DatabaseUnavailable(str(seen), outcome_unknown=error.connection_invalidated) from error
        raise
