"""Skipping a process's time. The only module that touches the SDK's experimental time-skipping API."""

import asyncio
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

BOUND_SECONDS = 60.0


class TimeSkippingError(Exception):
    """Time could not be skipped: not enabled on this server, the process has ended, or another skip came."""


async def advance(
    client: Client, workflow_id: str, delta: timedelta, *, seconds: float = BOUND_SECONDS
) -> datetime:
    """Move the clock of one running process forward by `delta` (> 0) and return its new time in UTC.

    The timers on the way fire one by one; the call returns when the clock has arrived, or when the
    process has ended on the way. Other processes keep their own time. Raises TimeSkippingError, also
    when the clock has not arrived after `seconds` of real time; the server then goes on skipping.
    """
    if delta <= timedelta(0):
        raise TimeSkippingError("time can only be moved forward")
    handle = client.get_workflow_handle(workflow_id)
    skipper = TimeSkipper(client)
    try:
        # A clock stands still while its process has a task or an activity that no worker takes.
        async with asyncio.timeout(seconds):
            await skipper.fast_forward(handle, delta)
            return await skipper.get_current_time(handle)
    except TimeoutError as error:
        raise TimeSkippingError(f"not there after {seconds:.0f} s; is a worker running?") from error
    except (RPCError, RuntimeError) as error:
        raise TimeSkippingError(str(error)) from error


async def process_now(client: Client, workflow_id: str) -> datetime:
    """Return the current time in UTC of one process: the wall clock's, unless its time was skipped."""
    return await TimeSkipper(client).get_current_time(client.get_workflow_handle(workflow_id))


async def is_enabled(client: Client) -> bool:
    """Tell whether the server lets this namespace skip time. Raises RPCError if it does not answer.

    The server says that the feature is off before it looks for the process, so none is needed.
    """
    skipper = TimeSkipper(client)
    try:
        await skipper.fast_forward(client.get_workflow_handle("kameng-no-such-process"), timedelta(seconds=1))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return True
        if error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
            raise
        return False
    return True
