"""A worker's database in which bulk work stops after some of its commits until a test lets it go on."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection
from temporalio import activity

from db.database import Database

T = TypeVar("T")


@dataclass
class Hold:
    """Bulk work of one kind is ``held`` after so many commits, and waits until it is ``going``."""

    after: int
    held: asyncio.Event = field(default_factory=asyncio.Event)
    going: asyncio.Event = field(default_factory=asyncio.Event)
    commits: int = 0

    async def wait(self) -> None:
        """Count a commit, and wait if it is one too many."""
        self.commits += 1
        if self.commits >= self.after:
            self.held.set()
            await self.going.wait()


class HeldDatabase(Database):
    """The database; ``holds`` are by the names of the activities whose writes they hold."""

    def __init__(self, url: str, holds: Mapping[str, Hold]) -> None:
        super().__init__(Database.connect(url)._runner)
        self._holds = holds

    async def write(self, fn: Callable[[Connection], T]) -> T:
        value = await super().write(fn)
        hold = self._holds.get(activity.info().activity_type)
        if hold is not None:
            await hold.wait()
        return value
