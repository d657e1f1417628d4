"""Moving the clock of one process, for trying it out."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from api.parts import Parts
from api.problems import Problem
from api.temporal import bounded, unavailable
from db.database import Database
from db.repositories import clocks
from engine import timeskip

_SKIP_SECONDS: Final = 45.0
_SETTLE_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.05


async def now_of(parts: Parts, process: str) -> datetime:
    """Return the time (UTC) of ``process``. Raises ``Problem`` if there never was one of that id."""
    if await _is_running(parts, process):
        seen = timeskip.process_now(parts.temporal, process)
        return await bounded(seen, parts.settings.temporal_call_seconds)
    ahead = await parts.db.read(lambda conn: clocks.ahead_of(conn, process))
    return datetime.now(UTC) + timedelta(seconds=ahead)


async def advance(parts: Parts, process: str, length: timedelta) -> datetime:
    """Move the clock of ``process`` by ``length``, as ``advance_to`` does."""
    return await advance_to(parts, process, await now_of(parts, process) + length)


async def advance_to(parts: Parts, process: str, until: datetime) -> datetime:
    """Move the clock of ``process`` to ``until`` (UTC), unless it is there, and return its new time (UTC).

    The timers on the way fire one by one. A process that has ended has no timers left, but time goes on
    for its people too: a cool-down that began with its end passes. Raises ``Problem``, also where the
    clock has not arrived after 45 seconds: asked again, it goes on from where it is.
    """
    now = until
    if await _is_running(parts, process):
        # The clock of a process that ends on the way stops there: for its people it goes on.
        now = max(now, await _skipped_to(parts, process, until))
    seconds = (now - datetime.now(UTC)).total_seconds()
    await parts.db.write(lambda conn: clocks.set_ahead(conn, process, seconds))
    await settled(parts.db, process, now)
    return now


async def _skipped_to(parts: Parts, process: str, until: datetime) -> datetime:
    try:
        return await timeskip.advance_to(parts.temporal, process, until, seconds=_SKIP_SECONDS)
    except timeskip.NotThereYet as error:
        raise unavailable() from error
    except timeskip.TimeSkippingError as error:
        raise Problem("time_skipping_unavailable") from error


async def settled(db: Database, process: str, now: datetime) -> None:
    """Wait, some seconds at most, until the process has done what was due at ``now``.

    The clock arrives before the last step on its way is written down; whoever moved it wants to see that.
    """
    give_up = time.monotonic() + _SETTLE_SECONDS
    while not await db.read(lambda conn: clocks.is_settled(conn, process, now)):
        if time.monotonic() > give_up:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _is_running(parts: Parts, process: str) -> bool:
    """Tell whether the process still runs. Raises ``Problem`` if there never was one of that id."""
    handle = parts.temporal.get_workflow_handle(process)
    try:
        found = await bounded(handle.describe(), parts.settings.temporal_call_seconds)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Problem("not_found") from error
        raise
    return found.status is WorkflowExecutionStatus.RUNNING
