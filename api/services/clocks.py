"""Moving the clock of one process, for trying it out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from api.parts import Parts
from api.problems import Problem
from api.temporal import bounded
from db.database import Database
from db.repositories import clocks
from engine import timeskip

_SETTLE_SECONDS: Final = 5.0
_SETTLE_LOOKS: Final = 100


async def advance(parts: Parts, process: str, length: timedelta) -> datetime:
    """Move the clock of ``process`` by ``length`` and return its new time (UTC).

    The timers on the way fire one by one. A process that has ended has no timers left, but time goes on
    for its people too: a cool-down that began with its end passes. Raises ``Problem``.
    """
    ahead = await parts.db.read(lambda conn: clocks.ahead_of(conn, process))
    now = datetime.now(UTC) + timedelta(seconds=ahead) + length
    if await _is_running(parts, process):
        try:
            # The clock of a process that ends on the way stops there: for its people it goes on.
            now = max(now, await timeskip.advance(parts.temporal, process, length))
        except timeskip.NotThereYet as error:
            raise Problem("temporal_unavailable") from error
        except timeskip.TimeSkippingError as error:
            raise Problem("time_skipping_unavailable") from error
    seconds = (now - datetime.now(UTC)).total_seconds()
    await parts.db.write(lambda conn: clocks.set_ahead(conn, process, seconds))
    await settled(parts.db, process, now)
    return now


async def settled(db: Database, process: str, now: datetime) -> None:
    """Wait, some seconds at most, until the process has done what was due at ``now``.

    The clock arrives before the last step on its way is written down; whoever moved it wants to see that.
    """
    for _ in range(_SETTLE_LOOKS):
        if await db.read(lambda conn: clocks.is_settled(conn, process, now)):
            return
        await asyncio.sleep(_SETTLE_SECONDS / _SETTLE_LOOKS)


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
