"""A worker of campaigns that takes its time: bulk work in small pages, and a rest after every commit.

A few hundred members then last for a second or more, so that a kill falls into the middle of them.
"""

import asyncio
import signal
from collections.abc import Callable
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


class LeisurelyDatabase(Database):
    """The database; after each write its caller rests."""

    def __init__(self, url: str) -> None:
        opened = Database.connect(url)
        super().__init__(opened._runner)

    async def write(self, fn: Callable[[Connection], T]) -> T:
        value = await super().write(fn)
        await asyncio.sleep(REST_SECONDS)
        return value


async def _serve() -> None:
    settings = load_settings()
    client = await connect(settings)
    queue = task_queue(settings.task_queue_prefix, CAMPAIGN_QUEUE)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        LeisurelyDatabase(settings.database_url) as db,
        campaign_worker(client, db, queue, page=PAGE, small_page=PAGE),
    ):
        if settings.ready_file is not None:
            settings.ready_file.touch()
        await stop.wait()


def main() -> int:
    """Serve campaigns, by the settings of the environment, until SIGTERM."""
    asyncio.run(_serve())
    return 0
