"""Skipping a process's time. The only module that touches the SDK's experimental time-skipping API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper
from temporalio.testing import TimeSkippingConfig as Config

BOUND_SECONDS = 60.0
# What is left of a skip is waited for below this: by then a target could pass while it is being asked for.
_NEAR = timedelta(milliseconds=500)
_FIRING_SECONDS = 20.0
# The longer something lasts, the less often it is looked at: looking takes both sides' processors.
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS, _GROWTH = 0.01, 0.1, 1.3
# A timer that is due was started among these: a process waits for one or two at a time.
_LAST_EVENTS = 100

_Handle = WorkflowHandle[Any, Any]


class TimeSkippingError(Exception):
    """Time could not be skipped: not enabled on this server, the process has ended, or another skip came."""


class NotThereYet(TimeSkippingError):
    """The process did not come to where its clock was to go: as a rule nobody takes its work."""


@dataclass(frozen=True)
class _Seen:
    """What the server tells of a process: running, busy, and its time."""

    running: bool
    busy: bool
    now: datetime


async def _look(handle: _Handle) -> _Seen:
    shown = await handle.describe()
    raw = shown.raw_description
    due = raw.workflow_extended_info.time_skipping_info.current_time
    skipped = raw.workflow_extended_info.HasField("time_skipping_info")
    now = due.ToDatetime(UTC) if skipped else datetime.now(UTC)
    busy = raw.HasField("pending_workflow_task") or any(
        not activity.HasField("scheduled_time") or activity.scheduled_time.ToDatetime(UTC) <= now
        for activity in raw.pending_activities
    )
    running = shown.status == WorkflowExecutionStatus.RUNNING
    return _Seen(running, busy, now)


async def _looks(handle: _Handle) -> AsyncIterator[_Seen]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield await _look(handle)
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LAST_PAUSE_SECONDS)


async def _idle(handle: _Handle) -> _Seen:
    """Wait until no worker has anything to do for the process, or it has ended."""
    async for seen in _looks(handle):
        if not (seen.running and seen.busy):
            return seen
    raise AssertionError("unreachable")


async def _fired(client: Client, handle: _Handle) -> None:
    """Wait until every timer that is due has fired: a further skip would leave it behind."""
    try:
        async with asyncio.timeout(_FIRING_SECONDS):
            async for seen in _looks(handle):
                if not await _has_due_timer(client, handle, seen.now):
                    return
    except TimeoutError:
        return


async def _has_due_timer(client: Client, handle: _Handle, now: datetime) -> bool:
    """Tell whether a timer among the last events is due and has neither fired nor been cancelled."""
    last = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=handle.id),
            maximum_page_size=_LAST_EVENTS,
        )
    )
    events = last.history.events
    over = {event.timer_fired_event_attributes.started_event_id for event in events}
    over |= {event.timer_canceled_event_attributes.started_event_id for event in events}
    return any(
        event.HasField("timer_started_event_attributes")
        and event.event_id not in over
        and event.event_time.ToDatetime(UTC)
        + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        <= now
        for event in events
    )


async def advance(
    client: Client, workflow_id: str, delta: timedelta, *, seconds: float = BOUND_SECONDS
) -> datetime:
    """Move the clock of one running process forward by `delta` (> 0), as `advance_to` does."""
    if delta <= timedelta(0):
        raise TimeSkippingError("time can only be moved forward")
    return await _bounded(_advance_by(client, client.get_workflow_handle(workflow_id), delta), seconds)


async def advance_to(
    client: Client, workflow_id: str, target: datetime, *, seconds: float = BOUND_SECONDS
) -> datetime:
    """Move the clock of one running process to `target` (UTC) and return its new time in UTC.

    The timers on the way fire one by one; the call returns when the clock has arrived, or when the
    process has ended on the way; at once where the clock is there. Other processes keep their own time.
    Raises TimeSkippingError, also when the clock has not arrived after `seconds` of real time; one skip
    may then still come, and the same call goes on from there.
    """
    return await _bounded(_advance_to(client, client.get_workflow_handle(workflow_id), target), seconds)


async def _bounded(advancing: Awaitable[datetime], seconds: float) -> datetime:
    try:
        # A clock stands still while its process has a task or an activity that no worker takes.
        async with asyncio.timeout(seconds):
            return await advancing
    except TimeoutError as error:
        raise NotThereYet(f"not there after {seconds:.0f} s; is a worker running?") from error
    except (RPCError, RuntimeError) as error:
        raise TimeSkippingError(str(error)) from error


async def _advance_by(client: Client, handle: _Handle, delta: timedelta) -> datetime:
    return await _advance_to(client, handle, (await _look(handle)).now + delta)


async def _advance_to(client: Client, handle: _Handle, target: datetime) -> datetime:
    # One timer a request. A server up to 1.32.2 that is asked for more goes on to the timer behind the
    # target when work takes it past the target (its GateByFastForward takes only targets yet to come).
    skipper = TimeSkipper(client, config=Config(max_session_skip_count=1))
    while True:
        await _fired(client, handle)
        seen = await _idle(handle)
        left = target - seen.now
        if not seen.running or left <= timedelta(0):
            return seen.now
        if left < _NEAR:
            await asyncio.sleep(left.total_seconds())
        else:
            await skipper.fast_forward(handle, left)


async def process_now(client: Client, workflow_id: str) -> datetime:
    """Return the current time in UTC of one process: the wall clock's, unless its time was skipped."""
    return (await _look(client.get_workflow_handle(workflow_id))).now


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
