"""The process of one application, from its submission to one of its ends.

The rules are in ``domain.vetting``: every request, alarm and result is a transition on a copy of the
state. The copy becomes the state once the record of the transition is written, in one transaction, so
what a query answers and what the database shows never disagree.

The SDK's sandbox would load this module anew for every application, which costs more than everything that
an application keeps in mind. It is passed through instead, and a test holds ``workflows`` and ``domain`` to
what the sandbox holds workflow code to.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError

from activities.vetting import VettingActivities
from contracts.vetting import (
    Act,
    Admission,
    Appeal,
    ConfirmViolation,
    DecideAppeal,
    DecideProbation,
    RecordInput,
    RecordResult,
    StatusView,
    Submit,
    VettingInput,
    VettingResult,
    status_of,
)
from domain.vetting import Refusal, Stage
from domain.vetting.review import Review, admitted
from domain.vetting.state import Alarm, Effects, Entry, OrderKind, Refused, VettingState
from workflows import vetting_changes as changes
from workflows.vetting_orders import VettingOrders

SUBMISSION_TIMEOUT = timedelta(minutes=10)
REMEMBERED_ANSWERS = 100
LATE = timedelta(minutes=5)

# Names of patches stand in histories: never change them.
QUIET_WHEN_LATE = "quiet-when-late"
DROPS_OPINION = "conflict-drops-opinion"

# A database outage is waited out: the retries never end, and beyond ten seconds they wait on the server.
RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=2),
)

PROCESS = SearchAttributeKey.for_keyword("KamengProcess")
STAGE = SearchAttributeKey.for_keyword("KamengStage")
WAITING_ON = SearchAttributeKey.for_keyword("KamengWaitingOn")
DEADLINE = SearchAttributeKey.for_datetime("KamengDeadline")


def refused_error(refused: Refused) -> ApplicationError:
    """Return ``refused`` as the error that fails an update: its code is the type, its detail follows."""
    return ApplicationError(
        refused.refusal.value, refused.detail, type=refused.refusal.value, non_retryable=True
    )


class VettingProcess:
    """One application in vetting; its id is ``application/{id}``."""

    def __init__(self, given: VettingInput) -> None:
        self._state = given.carried or VettingState(
            application_id=given.application_id,
            person_id=given.person_id,
            policy=given.policy,
            policy_version=given.policy_version,
        )
        self._answered = dict(given.answered)
        self._transition = asyncio.Lock()
        self._abandoned = False
        self._published: tuple[str, str, datetime | None] | None = None
        self._orders = VettingOrders(self.transact, lambda: self._state)

    async def carry_on(self, given: VettingInput) -> VettingResult:
        """Carry the application on until it is closed: orders first, then whichever comes next."""
        await self._await_submission()
        while not (self._state.closed or self._abandoned):
            if self._state.orders:
                await self._orders.carry_out(self._state.orders[0])
            else:
                await self._await_alarm()
            if workflow.info().is_continue_as_new_suggested() and not self._state.orders:
                await self._continue(given)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return VettingResult(application_id=self._state.application_id, status=self._state.status)

    async def _await_submission(self) -> None:
        """Wait for the submission that started this process; one that was turned away leaves a draft."""

        def submitted() -> bool:
            return self._state.stage is not Stage.INTAKE

        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: submitted() or self._abandoned, timeout=SUBMISSION_TIMEOUT)
        # Another submission may still be on its way, behind a refused one or a database that is down.
        await workflow.wait_condition(lambda: submitted() or workflow.all_handlers_finished())
        self._abandoned = not submitted()

    async def _await_alarm(self) -> None:
        alarm = self._state.next_alarm

        def moved_on() -> bool:
            state = self._state
            done = state.closed or bool(state.orders) or state.next_alarm != alarm
            return done or self._abandoned or workflow.info().is_continue_as_new_suggested()

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
        await self._ring(alarm)

    async def _ring(self, alarm: Alarm) -> None:
        late = workflow.now() - alarm.at > LATE and workflow.patched(QUIET_WHEN_LATE)
        try:
            await self.transact(changes.ringing(alarm, late=late), f"alarm:{alarm.kind}:{alarm.number}")
        except Refused:
            # Somebody decided in the same instant and won: the alarm has lost its cause.
            workflow.logger.info("alarm overtaken", extra={"alarm": alarm.kind.value})

    async def _continue(self, given: VettingInput) -> None:
        # A handler may be waiting for an order that it has just given: the order comes first then.
        await workflow.wait_condition(lambda: bool(self._state.orders) or workflow.all_handlers_finished())
        if self._state.closed or self._abandoned or self._state.orders:
            return
        answered = dict(list(self._answered.items())[-REMEMBERED_ANSWERS:])
        workflow.continue_as_new(given.model_copy(update={"carried": self._state, "answered": answered}))

    async def transact(
        self,
        change: changes.Change,
        step: str,
        *,
        admission: Admission | None = None,
        review: Review | None = None,
    ) -> StatusView:
        """Apply ``change`` to a copy of the state, write it, and only then make the copy the state.

        ``step`` names the transition: made by an earlier try, it is not made again. Raises ``Refused`` if
        the state or the automatic checks forbid the change; nothing is written then.
        """
        async with self._transition:
            while True:
                now, before = workflow.now(), self._state.revision
                state = self._state.model_copy()
                effects = change(state, now)
                state.count_step(step)
                result = await self._record(state, effects, now, admission, review)
                if result.refusal is not None:
                    # Without a row of its own the process has nothing left to carry on.
                    self._abandoned = self._abandoned or result.refusal is Refusal.NOT_OPEN
                    detail = result.model_dump(mode="json", include={"missing", "reapply_after"})
                    if result.refusal is Refusal.WRONG_STAGE:
                        detail["stage"] = self._state.stage.value
                    raise Refused(result.refusal, **detail)
                if admission is not None:
                    admitted(state, result.flags)
                # A worker that died after its commit took the memory of that step along, here as in the
                # history: what was committed stands, whichever step it was, and this one comes after it.
                self._state = result.ahead or state
                self._publish()
                if result.ahead is None or result.ahead.made_since(before, step):
                    return status_of(self._state)

    async def _record(
        self,
        state: VettingState,
        effects: Effects,
        now: datetime,
        admission: Admission | None,
        review: Review | None,
    ) -> RecordResult:
        return await workflow.execute_local_activity_method(
            VettingActivities.record,
            RecordInput(
                process_id=workflow.info().workflow_id,
                run_id=workflow.info().first_execution_run_id,
                at=now,
                state=state,
                entries=tuple(effects.entries),
                mails=tuple(effects.mails),
                excluded_staff=state.barred_staff,
                grant=effects.grant,
                revoke=effects.revoke,
                certified_claims=effects.certified_claims,
                cancelled_ballot=effects.cancelled_ballot,
                conflict_of=effects.conflict_of,
                review=review,
                admission=admission,
            ),
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RECORD_RETRY,
            local_retry_threshold=timedelta(seconds=10),
        )

    def _publish(self) -> None:
        """Tell the visibility store where the process stands, if that has changed."""
        view = status_of(self._state)
        shown = (view.stage.value, view.waiting_on.value, view.next_deadline)
        if shown == self._published:
            return
        self._published = shown
        deadline = view.next_deadline
        workflow.upsert_search_attributes(
            [
                PROCESS.value_set("vetting"),
                STAGE.value_set(shown[0]),
                WAITING_ON.value_set(shown[1]),
                DEADLINE.value_set(deadline) if deadline else DEADLINE.value_unset(),
            ]
        )

    def _validate(self, change: changes.Change) -> None:
        """Try ``change`` on a copy that is thrown away: what it refuses never enters history."""
        if self._known_answer() is not None:
            return
        try:
            change(self._state.model_copy(), workflow.now())
        except Refused as refused:
            raise refused_error(refused) from None

    async def _decide(
        self, change: changes.Change, *, admission: Admission | None = None, review: Review | None = None
    ) -> StatusView:
        known = self._known_answer()
        if known is not None:
            return known
        update_id = self._update_id()
        try:
            answer = await self.transact(change, update_id, admission=admission, review=review)
        except Refused as refused:
            raise refused_error(refused) from None
        self._answered[update_id] = answer
        return answer

    @staticmethod
    def _update_id() -> str:
        update = workflow.current_update_info()
        if update is None:
            raise RuntimeError("outside of any update")
        return update.id

    def _known_answer(self) -> StatusView | None:
        """Return what this update was answered before, or where things stand if only its step is known."""
        update_id = self._update_id()
        made = self._state.made_since(0, update_id)
        return self._answered.get(update_id) or (status_of(self._state) if made else None)

    async def _settle(self, *kinds: OrderKind) -> StatusView:
        """Wait until no order of ``kinds`` is outstanding, so that whoever acted sees what follows."""
        await workflow.wait_condition(
            lambda: self._abandoned or all(order.kind not in kinds for order in self._state.orders)
        )
        return status_of(self._state)

    @workflow.query
    def status(self) -> StatusView:
        """Tell where the application stands."""
        return status_of(self._state)

    @workflow.query
    def timeline(self) -> list[Entry]:
        """Tell what happened so far, oldest first."""
        return list(self._state.timeline)

    @workflow.update
    async def submit(self, request: Submit) -> StatusView:
        """Submit the draft: the automatic checks decide in the transaction that takes it in."""
        try:
            return await self._decide(
                changes.submission(request), admission=Admission(edit_version=request.edit_version)
            )
        except ApplicationError:
            self._abandoned = self._state.stage is Stage.INTAKE
            raise

    @submit.validator
    def _check_submit(self, request: Submit) -> None:
        self._validate(changes.submission(request))

    @workflow.update
    async def resubmit(self, request: Submit) -> StatusView:
        """Answer a request for changes."""
        return await self._decide(
            changes.resubmission(request), admission=Admission(edit_version=request.edit_version)
        )

    @resubmit.validator
    def _check_resubmit(self, request: Submit) -> None:
        self._validate(changes.resubmission(request))

    @workflow.update
    async def withdraw(self, request: Act) -> StatusView:
        """Withdraw the application, or the appeal if one is being decided."""
        return await self._decide(changes.withdrawal(request))

    @withdraw.validator
    def _check_withdraw(self, request: Act) -> None:
        self._validate(changes.withdrawal(request))

    @workflow.update
    async def claim(self, request: Act) -> StatusView:
        """Hold the application for one reviewer."""
        return await self._decide(changes.claiming(request))

    @claim.validator
    def _check_claim(self, request: Act) -> None:
        self._validate(changes.claiming(request))

    @workflow.update
    async def release(self, request: Act) -> StatusView:
        """Give the application back to the queue."""
        return await self._decide(changes.releasing(request))

    @release.validator
    def _check_release(self, request: Act) -> None:
        self._validate(changes.releasing(request))

    @workflow.update
    async def declare_conflict(self, request: Act) -> StatusView:
        """Step aside for a conflict of interest."""
        opinion_counts = not workflow.patched(DROPS_OPINION)
        return await self._decide(changes.stepping_aside(request, opinion_counts=opinion_counts))

    @declare_conflict.validator
    def _check_declare_conflict(self, request: Act) -> None:
        self._validate(changes.stepping_aside(request))

    @workflow.update
    async def review(self, request: Review) -> StatusView:
        """Take a reviewer's opinion; the answer comes when what follows from it has begun."""
        await self._decide(changes.reviewing(request), review=request)
        return await self._settle(OrderKind.OPEN_BALLOT)

    @review.validator
    def _check_review(self, request: Review) -> None:
        self._validate(changes.reviewing(request))

    @workflow.update
    async def confirm_violation(self, request: ConfirmViolation) -> StatusView:
        """Take a confirmed violation: staff review the probation at once."""
        await self._decide(changes.violating(request))
        return await self._settle(OrderKind.JUDGE_PROBATION)

    @confirm_violation.validator
    def _check_confirm_violation(self, request: ConfirmViolation) -> None:
        self._validate(changes.violating(request))

    @workflow.update
    async def decide_probation(self, request: DecideProbation) -> StatusView:
        """Pass, extend or fail a probation."""
        return await self._decide(changes.deciding_probation(request))

    @decide_probation.validator
    def _check_decide_probation(self, request: DecideProbation) -> None:
        self._validate(changes.deciding_probation(request))

    @workflow.update
    async def appeal(self, request: Appeal) -> StatusView:
        """Appeal against a rejection or a failed probation."""
        return await self._decide(changes.appealing(request))

    @appeal.validator
    def _check_appeal(self, request: Appeal) -> None:
        self._validate(changes.appealing(request))

    @workflow.update
    async def decide_appeal(self, request: DecideAppeal) -> StatusView:
        """Uphold the loss, or overturn it; the answer comes when what follows has begun."""
        await self._decide(changes.deciding_appeal(request))
        return await self._settle(OrderKind.OPEN_BALLOT)

    @decide_appeal.validator
    def _check_decide_appeal(self, request: DecideAppeal) -> None:
        self._validate(changes.deciding_appeal(request))
