"""Fixtures of the tests of mail."""

from collections.abc import AsyncIterator

import pytest

from db.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, empty database, on each kind in turn."""
    async with Database.connect(database_url) as db:
        yield db
