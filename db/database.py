"""The one way to run statements: ``await database.read(fn)`` and ``await database.write(fn)``.

``fn`` is a plain function that takes a ``sqlalchemy.Connection``: repositories are made of such
functions. No caller knows which database answers.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeVar

from sqlalchemy import Connection, text

from db.errors import DatabaseUnavailable
from db.postgres import POOL_SIZE, PostgresRunner
from db.sqlite import SqliteRunner
from db.together import Together, Work
from db.urls import normalise_url

A = TypeVar("A")
T = TypeVar("T")


class Runner(Protocol):
    """What runs functions on one kind of database."""

    @property
    def dialect(self) -> str: ...

    async def write(self, fn: Callable[[Connection], T]) -> T: ...

    async def read(self, fn: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None: ...


class Database:
    """A database that is open, on SQLite or PostgreSQL; usable from several event loops."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._together = Together(runner.write)

    @classmethod
    def connect(cls, url: str, *, pool_size: int = POOL_SIZE) -> Self:
        """Return the database of ``url``; connections are made when first needed.

        ``pool_size`` bounds the connections to PostgreSQL for each event loop. Raises
        ``ValueError`` for a URL of another kind.
        """
        parsed = normalise_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(SqliteRunner(parsed))
        return cls(PostgresRunner(parsed, pool_size))

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._runner.dialect

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in one transaction and return its value once it is committed durably.

        What ``fn`` raises undoes its own writes only and comes out as it is; on PostgreSQL ``fn``
        may run again after a deadlock, so it must have no other effects. It neither commits nor
        returns an open result. Raises ``Conflict``, ``BrokenReference``, ``DatabaseUnavailable``.
        A caller that is cancelled does not know whether its write stands.
        """
        return await self._runner.write(fn)

    async def write_together(self, work: Work[A, T], item: A) -> T:
        """Have ``work`` done for ``item``, in one transaction with the same work of others who wait now.

        For the hottest writes. ``work`` must be one lasting function: it is what tells who belongs
        together. It answers for each item by itself; what it raises instead undoes the whole and has
        every item done again alone. For the rest what holds for ``write`` holds here.
        """
        return await self._together.do(work, item)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` on one snapshot that holds all earlier writes; it cannot write.

        Raises ``DatabaseUnavailable``.
        """
        return await self._runner.read(fn)

    async def ping(self, *, seconds: float = 3.0) -> None:
        """Return if the database answers within ``seconds``, else raise ``DatabaseUnavailable``."""
        table = "sqlite_master" if self.dialect == "sqlite" else "pg_catalog.pg_namespace"
        statement = text(f"SELECT 1 FROM {table} LIMIT 1")
        try:
            async with asyncio.timeout(seconds):
                await self.read(lambda conn: conn.execute(statement).scalar())
        except TimeoutError as error:
            raise DatabaseUnavailable(f"no answer within {seconds:g} s") from error

    async def close(self) -> None:
        """Finish what is queued and running, then close; later calls raise ``DatabaseUnavailable``."""
        await self._together.drain()
        await self._runner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
