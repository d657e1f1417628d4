"""Files that no row names: left by a process that died between the file and its row, or whose row is gone."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Connection

from api.services.uploads import FileStore
from db.database import Database

ORPHAN_SECONDS = 3600.0
"""Longer than any upload takes: a file this old without a row was left by a process that died."""
_PAGE = 1000


async def sweep(db: Database, files: FileStore, known: Callable[[Connection, list[str]], set[str]]) -> int:
    """Delete old files that ``known`` does not know; return how many."""
    old = await asyncio.to_thread(files.older_than, ORPHAN_SECONDS)
    removed = 0
    for start in range(0, len(old), _PAGE):
        page = old[start : start + _PAGE]
        found = await db.read(lambda conn, page=page: known(conn, page))  # type: ignore[misc]
        for name in set(page) - found:
            await asyncio.to_thread(files.remove, name)
            removed += 1
    return removed
