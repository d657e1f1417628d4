"""What commands do on the database, and what they say where it is away or not migrated."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from db import migrate
from db.database import Database
from db.errors import DatabaseUnavailable
from db.urls import shown
from engine.errors import EngineError

T = TypeVar("T")


def not_available(url: str, error: DatabaseUnavailable) -> EngineError:
    """Return the one line that says which database is away, without its password, and what to do."""
    return EngineError(
        f"the database at {shown(url)} is not available ({error}); start it, or set DATABASE_URL"
    )


def on_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` on the database of ``url``. Raises ``EngineError`` if it is away or not migrated."""

    async def main() -> T:
        async with Database.connect(url) as db:
            return await work(db)

    try:
        if not migrate.is_current(url):
            raise EngineError("the database has not been migrated; run: kameng migrate")
        return asyncio.run(main())
    except DatabaseUnavailable as error:
        raise not_available(url, error) from error
