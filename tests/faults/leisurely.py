"""A worker of campaigns that takes its time: bulk work in small pages, and a rest after every commit.

A few hundred members then last for a second or more, so that a kill falls into the middle of them. While
the file ``held_by`` exists it goes no further than its next commit: what was killed can be started again
without the work coming to its end meanwhile.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from contracts.base import CAMPAIGN_QUEUE, task_queue
from db.database import Database
from engine.temporal_client import connect
from settings import load_settings
from worker import campaign_worker

T = TypeVar("T")

PAGE = 4
REST_SECONDS = 0.04


def held_by(ready_file: Path) -> Path:
    """Return the file that holds the worker which says by ``ready_file`` that it is ready."""
    return ready_file.with_suffix(".hold")


class LeisurelyDatabase(Database):
    """The database; after each write its caller rests, and waits while it is held."""

    def __init__(self, url: str, hold: Path) -> None:
        opened = Database.connect(url)
        super().__init__(opened._runner)
        self._hold = hold

    async def write(self, fn: Callable[[Connection], T]) -> T:
        value = await super().write(fn)
        await asyncio.sleep(REST_SECONDS)
        while self._hold.exists():  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(REST_SECONDS)
        return value


async def _serve() -> None:
    settings = load_settings()
    client = await connect(settings)
    queue = task_queue(settings.task_queue_prefix, CAMPAIGN_QUEUE)
    stop, ready = asyncio.Event(), settings.ready_file
    assert ready is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        LeisurelyDatabase(settings.database_url, held_by(ready)) as db,
        campaign_worker(client, db, queue, page=PAGE, small_page=PAGE, pay_page=PAGE),
    ):
        ready.touch()
        await stop.wait()


def main() -> int:
    """Serve campaigns, by the settings of the environment, until SIGTERM."""
    asyncio.run(_serve())
    return 0
