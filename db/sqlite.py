"""SQLite: one writer thread that commits small batches durably, and a few threads that read snapshots."""

import asyncio
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, NullPool, RootTransaction, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from db.constraints import unique_constraint_of
from db.errors import BrokenReference, Conflict, DatabaseUnavailable, NotMigrated

T = TypeVar("T")

MAX_BATCH: Final = 256
READERS: Final = 4
BUSY_SECONDS: Final = 15
WRITER_CACHE_KIB: Final = 16_000
READER_CACHE_KIB: Final = 4000
"""Of each reader: what it misses is in the operating system's cache, which all of them share."""
CHECKPOINT_PAGES: Final = 8_000
"""Pages of 4 KiB in the write-ahead log after which a commit copies them back: about 32 MB."""

_IN_JOB: Final = "in_job"

_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
_UNIQUE: Final = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    }
)


def sqlite_engine(
    url: URL,
    *,
    begin: str = "BEGIN IMMEDIATE",
    read_only: bool = False,
    foreign_keys: bool = True,
    busy_seconds: float = BUSY_SECONDS,
) -> Engine:
    """Return an engine whose transactions start with ``begin`` and keep what they commit (WAL, FULL).

    ``read_only`` refuses every statement that would write. Only migrations work without
    ``foreign_keys``: a table that is built anew would take the rows that refer to it along.
    """
    # The text of an error ends in logs and process histories, which hold no personal data.
    engine = create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # Left to itself, pysqlite begins late and deferred: reading first, then writing, fails under load.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB if read_only else WRITER_CACHE_KIB}")
        # Left to itself, every second batch under load copies its pages back and syncs once more.
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def refuse_inside_job(connection: Connection) -> None:
        if connection.info.get(_IN_JOB):
            # It would settle the other callers of the batch too.
            raise RuntimeError("a database function must neither commit nor roll back")

    return engine


def translate(error: BaseException) -> BaseException:
    """Return what a caller should see instead of the driver's ``error``; other errors as they are."""
    orig = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(orig, sqlite3.Error):
        return error
    code = getattr(orig, "sqlite_errorcode", None)
    if code is None:
        return error
    if code in _UNIQUE:
        return Conflict(unique_constraint_of(str(orig).rpartition(": ")[2].split(", ")))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return BrokenReference()
    if code == sqlite3.SQLITE_ERROR and str(orig).startswith("no such table"):
        return NotMigrated()
    if code & 0xFF in _UNAVAILABLE:
        return DatabaseUnavailable(f"SQLite: {orig.sqlite_errorname}")
    return error


@dataclass(slots=True, eq=False)
class _Job:
    """One waiting caller: what to run, and where its outcome goes."""

    fn: Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Hand the outcome over; in the caller's own loop only."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, StopIteration):
            self.future.set_exception(RuntimeError("a database function raised StopIteration"))
        else:
            self.future.set_exception(self.error)


def _settle_all(jobs: Iterable[_Job]) -> None:
    for job in jobs:
        job.settle()


def _deliver(batch: Iterable[_Job]) -> None:
    """Wake every event loop once, whatever the number of its callers in the batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
    for job in batch:
        by_loop[job.loop].append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, jobs)
        except RuntimeError:
            # The loop was closed while its callers waited: nobody is left to tell.
            continue


class _Lost(Exception):
    """The transaction of a batch is gone before its COMMIT: no function of it took effect."""


class _Writer:
    """The thread that alone writes: takes what has queued up, commits it once, then answers each caller."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._conn: Connection | None = None

    def submit(self, job: _Job) -> None:
        """Queue ``job``; raises ``DatabaseUnavailable`` once closed."""
        with self._gate:
            if self._closed:
                raise DatabaseUnavailable("the database is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kameng-sqlite-writer", daemon=True)
                self._thread.start()
            self._queue.put(job)

    def close(self) -> None:
        """Finish what is queued, then end the thread; blocks until then."""
        with self._gate:
            self._closed = True
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._collect(first)
            self._run(batch)
            _deliver(batch)
            if last:
                break
        self._drop_connection()

    def _collect(self, first: _Job) -> tuple[list[_Job], bool]:
        """Return ``first`` and what else is queued by now, and whether the end was reached."""
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _run(self, batch: list[_Job]) -> None:
        """Run and commit ``batch``; every job holds its outcome afterwards. Never raises."""
        try:
            conn = self._connection()
            with conn.begin() as transaction:
                raw = conn.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                for job in batch:
                    _run_job(raw, transaction, job, alone=len(batch) == 1)
        except _Lost as lost:
            self._drop_connection()
            if len(batch) == 1:
                _fail(batch, translate(lost.__cause__ or lost))
                return
            # One job spoilt it for all: alone, each shows its own outcome.
            for job in batch:
                job.value = job.error = None
                self._run([job])
        except BaseException as error:
            self._drop_connection()
            _fail(batch, translate(error))

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = self._engine.connect()
        return self._conn

    def _drop_connection(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            try:
                conn.close()
            except (SQLAlchemyError, sqlite3.Error):
                conn.invalidate()


def _run_job(raw: sqlite3.Connection, transaction: RootTransaction, job: _Job, *, alone: bool) -> None:
    """Run one job so that its failure undoes its own work only.

    Raises ``_Lost`` if the whole transaction is gone: SQLite gave it up (disk full, input/output
    error), or the job tried to settle it.
    """
    if job.future.cancelled():
        return
    conn = transaction.connection
    if not alone:
        # A savepoint has SQLite copy each page aside before its first change: bulk work has thousands.
        raw.execute("SAVEPOINT job")
    conn.info[_IN_JOB] = True
    try:
        job.value = job.fn(conn)
    except BaseException as error:
        if not (raw.in_transaction and transaction.is_active):
            raise _Lost from error
        job.error = translate(error)
    finally:
        conn.info[_IN_JOB] = False
    if not alone:
        if job.error is not None:
            raw.execute("ROLLBACK TO job")
        raw.execute("RELEASE job")
    elif job.error is not None:
        transaction.rollback()


def _fail(batch: Iterable[_Job], error: BaseException) -> None:
    """Give every job of a batch that was not committed an error of its own."""
    for job in batch:
        if job.error is None:
            job.value = None
            job.error = DatabaseUnavailable(str(error)) if isinstance(error, DatabaseUnavailable) else error


@dataclass(slots=True)
class SqliteRunner:
    """Runs functions on one SQLite file; usable from several event loops at once."""

    url: URL
    busy_seconds: float = BUSY_SECONDS
    dialect: str = field(default="sqlite", init=False)
    _writer: _Writer = field(init=False)
    _readers: ThreadPoolExecutor = field(init=False)
    _read_engine: Engine = field(init=False)
    _local: threading.local = field(init=False, default_factory=threading.local)
    _open_reads: set[Connection] = field(init=False, default_factory=set)
    _closed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._writer = _Writer(sqlite_engine(self.url, busy_seconds=self.busy_seconds))
        self._read_engine = sqlite_engine(
            self.url, begin="BEGIN", read_only=True, busy_seconds=self.busy_seconds
        )
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kameng-sqlite-reader")

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in the writer's next batch; return after its COMMIT is on the disk."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._writer.submit(_Job(fn, loop, future))
        return await future

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` on a snapshot that holds everything committed before the call."""
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, fn)

    def _read(self, fn: Callable[[Connection], T]) -> T:
        conn: Connection | None = getattr(self._local, "conn", None)
        try:
            if conn is None:
                conn = self._local.conn = self._read_engine.connect()
                self._open_reads.add(conn)
            transaction = conn.begin()
            try:
                return fn(conn)
            finally:
                transaction.rollback()
        except BaseException as error:
            seen = translate(error)
            if isinstance(seen, DatabaseUnavailable) and conn is not None:
                self._local.conn = None
                self._open_reads.discard(conn)
                conn.invalidate()
            if seen is error:
                raise
            raise seen from error

    async def close(self) -> None:
        """Finish every queued write and running read, then close all connections."""
        await asyncio.to_thread(self._shutdown)

    def _shutdown(self) -> None:
        self._closed = True
        self._readers.shutdown(wait=True)
        while self._open_reads:
            self._open_reads.pop().close()
        self._writer.close()
