"""Workers that die again and again, and requests that do not give up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError

from domain.ids import new_id
from tests.faults.processes import Nursery, Victim
from tests.support.children import alive

CALL_SECONDS = 6.0


@dataclass
class Mortal:
    """A worker of one process's own that dies after a commit, and is started again."""

    worker: Victim
    every: int
    deaths: int = 0

    async def watch(self) -> None:
        """Start the worker again when it has died."""
        while True:
            if not alive(self.worker.pid):
                self.deaths += 1
                self.worker.given["last"] = self.every
                self.worker.spawn()
                await self.worker.ready()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def mortal(
    nursery: Nursery,
    directory: Path,
    client: Client,
    address: str,
    url: str,
    *,
    room: str,
    last: int,
    every: int,
) -> AsyncIterator[tuple[Mortal, str]]:
    """Yield a worker of ``room`` and its queue.

    It first dies after its ``last``-th commit (0: never), then after ``every`` more. As many lives as that,
    led side by side with rising ``last``, die together after every single commit.
    """
    queue = f"{client.namespace}-{last}"
    ready = directory / f"{last}.ready"
    given: dict[str, Any] = {
        "room": room,
        "address": address,
        "namespace": client.namespace,
        "url": url,
        "queue": queue,
        "last": last,
        "ready": str(ready),
    }
    worker = Victim(nursery, "mortal_worker", directory / f"{last}.log", given=given, ready_file=ready)
    worker.spawn()
    await worker.ready()
    one = Mortal(worker, every)
    try:
        # A worker that nobody starts again would be waited for in vain: the group ends the life with it.
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(one.watch())
            yield one, queue
            watching.cancel()
    finally:
        await worker.kill()


async def until_answered(act: Callable[[str], Awaitable[Any]]) -> None:
    """Repeat a request under one id until it is acknowledged, as a client with its key does."""
    update_id = new_id()
    while True:
        with suppress(TimeoutError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            async with asyncio.timeout(CALL_SECONDS):
                await act(update_id)
            return
