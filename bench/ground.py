"""What rows share for the length of a run: large campaigns, made once on each kind of database."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from bench.crowd import Crowd, gather
from db.migrate import upgrade
from tests.support.postgres import DURABLE, Postgres, create_database, drop_database

SIGNED_IN = 4_000
# As much of a table of a million rows stays in memory as where such a community would run.
LARGE = DURABLE | {"shared_buffers": "1GB", "max_wal_size": "8GB"}


class Ground:
    """Crowds as files and databases to copy. Use it as a context manager."""

    def __init__(self) -> None:
        self.directory = Path()
        self._postgres: Postgres | None = None
        self._crowds: dict[tuple[str, int], Crowd] = {}

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="kameng-bench-ground-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._postgres is not None:
            self._postgres.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @asynccontextmanager
    async def copy(self, kind: str, members: int) -> AsyncIterator[Crowd]:
        """Lend a fresh copy of a campaign with so many members, and drop it. Raises ``PostgresMissing``."""
        crowd = await self._crowd(kind, members)
        name = f"copy_{uuid.uuid4().hex[:8]}"
        if kind == "sqlite":
            path = self.directory / f"{name}.db"
            await asyncio.to_thread(shutil.copy, self.directory / f"crowd_{members}.db", path)
            try:
                yield crowd.at(f"sqlite:///{path}")
            finally:
                for file in self.directory.glob(f"{name}.db*"):
                    file.unlink()
            return
        admin = self._server().admin_url
        await asyncio.to_thread(_copied, admin, crowd.url.rpartition("/")[2], name)
        try:
            yield crowd.at(f"{admin.rpartition('/')[0]}/{name}")
        finally:
            await asyncio.to_thread(drop_database, admin, name)

    async def _crowd(self, kind: str, members: int) -> Crowd:
        known = self._crowds.get((kind, members))
        if known is None:
            url = self._fresh(kind, f"crowd_{members}")
            upgrade(url)
            known = self._crowds[kind, members] = await gather(url, members, SIGNED_IN)
        return known

    def _fresh(self, kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{self.directory / f'{name}.db'}"
        return create_database(self._server().admin_url, name)

    def _server(self) -> Postgres:
        if self._postgres is None:
            self._postgres = Postgres.start(LARGE)
        return self._postgres


def _copied(admin_url: str, template: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        statement = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
        connection.execute(statement.encode())
        connection.execute("CHECKPOINT")
