"""The frame of a durable process: transitions on a copy of the state, written whole, answered after that.

A room says how a transition is written, what is shown of the state, and how an alarm is answered. Nothing
here knows which process it is. The SDK's sandbox would load these modules anew for every process; they are
passed through instead, and a test holds ``workflows`` and ``domain`` to what it holds workflow code to.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError

from domain.process import ProcessState, Refused, Timed

S = TypeVar("S", bound=ProcessState[Any, Any])
E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)

REMEMBERED_ANSWERS = 100

# A database outage is waited out: the retries never end, and beyond ten seconds they wait on the server.
RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=2),
)
RECORD_SECONDS = timedelta(seconds=20)
LOCAL_RETRIES = timedelta(seconds=10)

PROCESS = SearchAttributeKey.for_keyword("KamengProcess")
STAGE = SearchAttributeKey.for_keyword("KamengStage")
WAITING_ON = SearchAttributeKey.for_keyword("KamengWaitingOn")
DEADLINE = SearchAttributeKey.for_datetime("KamengDeadline")

Change = Callable[[S, datetime], E]


class Shown(NamedTuple):
    """What the visibility store tells of a process."""

    process: str
    stage: str
    waiting_on: str
    deadline: datetime | None


class Written(NamedTuple, Generic[S]):
    """How a record went: refused, ahead (an earlier try committed more than we know), or as it was sent."""

    refusal: StrEnum | None = None
    detail: dict[str, Any] = {}
    ahead: S | None = None


def refused_error(refused: Refused) -> ApplicationError:
    """Return ``refused`` as the error that fails an update: its code is the type, its detail follows."""
    code = refused.refusal.value
    return ApplicationError(code, refused.detail, type=code, non_retryable=True)


class Process(Generic[S, E, V]):
    """One process: ``S`` its state, ``E`` what a transition asks to be written, ``V`` what it tells."""

    def __init__(self, state: S, answered: dict[str, V]) -> None:
        self.state = state
        # Set where the process has lost the row that it is about: nothing is left to carry on.
        self.abandoned = False
        self._answered = dict(answered)
        self._transition = asyncio.Lock()
        self._published: Shown | None = None

    def view(self) -> V:
        """Return what people are told."""
        raise NotImplementedError

    def shown(self) -> Shown:
        """Return what the visibility store is told."""
        raise NotImplementedError

    def ringing(self, alarm: Timed) -> Change[S, E]:
        """Return the transition that answers ``alarm``."""
        raise NotImplementedError

    async def write(self, state: S, effects: E, now: datetime, extra: Any) -> Written[S]:
        """Write one transition in one transaction; ``extra`` is whatever the request asked for besides."""
        raise NotImplementedError

    async def transact(self, change: Change[S, E], step: str, extra: Any = None) -> V:
        """Apply ``change`` to a copy of the state, write it, and only then make the copy the state.

        ``step`` names the transition: made by an earlier try, it is not made again. Raises ``Refused`` if
        the state or what is stored forbids the change; nothing is written then.
        """
        async with self._transition:
            while True:
                now, before = workflow.now(), self.state.revision
                state = self.state.model_copy()
                effects = change(state, now)
                state.count_step(step)
                written = await self.write(state, effects, now, extra)
                if written.refusal is not None:
                    raise Refused(written.refusal, **written.detail)
                # A worker that died after its commit took the memory of that step along, here as in the
                # history: what was committed stands, whichever step it was, and this one comes after it.
                self.state = written.ahead or state
                self._publish()
                if written.ahead is None or written.ahead.made_since(before, step):
                    return self.view()

    def _publish(self) -> None:
        """Tell the visibility store where the process stands, if that has changed."""
        shown = self.shown()
        if shown == self._published:
            return
        self._published = shown
        workflow.upsert_search_attributes(
            [
                PROCESS.value_set(shown.process),
                STAGE.value_set(shown.stage),
                WAITING_ON.value_set(shown.waiting_on),
                DEADLINE.value_set(shown.deadline) if shown.deadline else DEADLINE.value_unset(),
            ]
        )

    def validate(self, change: Change[S, E]) -> None:
        """Try ``change`` on a copy that is thrown away: what it refuses never enters history."""
        if self._known_answer() is not None:
            return
        try:
            change(self.state.model_copy(), workflow.now())
        except Refused as refused:
            raise refused_error(refused) from None

    async def decide(self, change: Change[S, E], extra: Any = None) -> V:
        """Make the transition that an update asks for, once for each update id."""
        known = self._known_answer()
        if known is not None:
            return known
        update_id = self._update_id()
        try:
            answer = await self.transact(change, update_id, extra)
        except Refused as refused:
            raise refused_error(refused) from None
        self._answered[update_id] = answer
        return answer

    def remembered(self) -> dict[str, V]:
        """Return the last answers, for the run that continues this one."""
        return dict(list(self._answered.items())[-REMEMBERED_ANSWERS:])

    @staticmethod
    def _update_id() -> str:
        update = workflow.current_update_info()
        if update is None:
            raise RuntimeError("outside of any update")
        return update.id

    def _known_answer(self) -> V | None:
        """Return what this update was answered before, or where things stand if only its step is known."""
        update_id = self._update_id()
        made = self.state.made_since(0, update_id)
        return self._answered.get(update_id) or (self.view() if made else None)

    async def await_alarm(self, interrupted: Callable[[], bool]) -> None:
        """Wait for the next alarm and answer it, or until the state moved on or ``interrupted``."""
        alarm = self.state.next_alarm

        def moved_on() -> bool:
            done = self.state.closed or bool(self.state.orders) or self.state.next_alarm != alarm
            return done or self.abandoned or interrupted()

        if alarm is None:
            await workflow.wait_condition(moved_on)
            return
        remaining = alarm.at - workflow.now()
        if remaining > timedelta(0):
            try:
                await workflow.wait_condition(moved_on, timeout=remaining)
                return
            except TimeoutError:
                pass
        try:
            await self.transact(self.ringing(alarm), alarm.step)
        except Refused:
            # Somebody decided in the same instant and won: the alarm has lost its cause.
            workflow.logger.info("alarm overtaken")
