"""A database whose writes wait, or fail, for as long as a test wants: by real locks and real triggers."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from tests.support.community import Community


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


@asynccontextmanager
async def writes_held(url: str) -> AsyncIterator[None]:
    """Hold the one write lock of a SQLite database: whoever writes waits until the block ends."""
    connection = sqlite3.connect(_path(url), isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 60000")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@asynccontextmanager
async def inserts_failing(here: Community, table: str, when: str = "1") -> AsyncIterator[None]:
    """Make every insert into ``table`` fail that meets ``when``, until the block ends."""
    failing = (
        f"CREATE TRIGGER failing BEFORE INSERT ON {table} WHEN {when} "
        "BEGIN SELECT RAISE(ABORT, 'told to fail'); END"
    )
    await here.execute(text(failing))
    try:
        yield
    finally:
        await here.execute(text("DROP TRIGGER failing"))
