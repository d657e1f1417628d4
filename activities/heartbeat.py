"""Heartbeats while one long statement runs, so that a dead worker is noticed before the work's own bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

EVERY_SECONDS = 4.0


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Send a heartbeat every few seconds until the block ends."""
    beat = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(EVERY_SECONDS)
