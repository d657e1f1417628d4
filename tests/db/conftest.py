"""A database of the test's own, on each kind in turn, and people in it."""

from collections.abc import AsyncIterator

import pytest

from db.database import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The open database; closed, and so drained, after the test."""
    async with Database.connect(database_url) as database:
        yield database
