"""A worker that kills itself with SIGKILL after a commit, before anybody hears of it."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from db.database import Database
from worker import campaign_worker, vetting_worker

T = TypeVar("T")


class MortalDatabase(Database):
    """The database; after the commit of the ``last``-th write the process is gone."""

    def __init__(self, url: str, last: int) -> None:
        opened = Database.connect(url)
        super().__init__(opened._runner)
        self._last = last
        self._writes = 0

    async def write(self, fn: Callable[[Connection], T]) -> T:
        value = await super().write(fn)
        self._writes += 1
        if self._writes == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        return value


WORKERS = {"vetting": vetting_worker, "campaigns": campaign_worker}


async def _serve(
    room: str, address: str, namespace: str, url: str, queue: str, last: int, ready: str
) -> None:
    client = await Client.connect(address, namespace=namespace, data_converter=pydantic_data_converter)
    async with MortalDatabase(url, last) as db, WORKERS[room](client, db, queue):
        Path(ready).touch()
        await asyncio.Event().wait()


def main(
    *, address: str, namespace: str, url: str, queue: str, last: int, ready: str, room: str = "vetting"
) -> int:
    """Serve ``queue`` until the ``last``-th write of this process (0: for ever)."""
    asyncio.run(_serve(room, address, namespace, url, queue, last, ready))
    return 0
