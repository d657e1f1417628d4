"""Fixtures of the tests of mail."""

from collections.abc import AsyncIterator, Iterator

import pytest

from db.database import Database
from tests.support.dispatching import Clock
from tests.support.sendgrid import LocalSendGrid


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, empty database, on each kind in turn."""
    async with Database.connect(database_url) as db:
        yield db


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


@pytest.fixture
def provider() -> Iterator[LocalSendGrid]:
    """SendGrid on this machine."""
    with LocalSendGrid() as server:
        yield server
