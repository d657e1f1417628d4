"""The process of one application, from its submission to one of its ends.

The rules are in ``domain.vetting``: every request, alarm and result is a transition on a copy of the
state. The copy becomes the state once the record of the transition is written, in one transaction, so
what a query answers and what the database shows never disagree.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from temporalio import workflow
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
    StatusView,
    Submit,
    VettingInput,
    VettingResult,
    status_of,
)
from domain.process import Entry, Timed
from domain.vetting import Refusal, Stage
from domain.vetting.review import Review, admitted
from domain.vetting.state import Alarm, Effects, OrderKind, VettingState
from workflows import vetting_changes as changes
from workflows.process import LOCAL_RETRIES, RECORD_RETRY, RECORD_SECONDS, Process, Shown, Written
from workflows.vetting_orders import VettingOrders

SUBMISSION_TIMEOUT = timedelta(minutes=10)
LATE = timedelta(minutes=5)

# Names of patches stand in histories: never change them.
QUIET_WHEN_LATE = "quiet-when-late"
DROPS_OPINION = "conflict-drops-opinion"


class Besides(NamedTuple):
    """What a request asks to be written together with its transition."""

    admission: Admission | None = None
    review: Review | None = None


class VettingProcess(Process[VettingState, Effects, StatusView]):
    """One application in vetting; its id is ``application/{id}``."""

    def __init__(self, given: VettingInput) -> None:
        state = given.carried or VettingState(
            application_id=given.application_id,
            person_id=given.person_id,
            policy=given.policy,
            policy_version=given.policy_version,
        )
        super().__init__(state, given.answered)
        self._orders = VettingOrders(self.transact, lambda: self.state)

    def view(self) -> StatusView:
        """Return where the application stands."""
        return status_of(self.state)

    def shown(self) -> Shown:
        """Return what the visibility store is told."""
        view = self.view()
        return Shown("vetting", view.stage.value, view.waiting_on.value, view.next_deadline)

    def ringing(self, alarm: Timed) -> changes.Change:
        """Return the transition that answers ``alarm``."""
        if not isinstance(alarm, Alarm):
            raise TypeError("an alarm of another process")
        late = workflow.now() - alarm.at > LATE and workflow.patched(QUIET_WHEN_LATE)
        return changes.ringing(alarm, late=late)

    async def carry_on(self, given: VettingInput) -> VettingResult:
        """Carry the application on until it is closed: orders first, then whichever comes next."""
        await self._await_submission()
        while not (self.state.closed or self.abandoned):
            if self.state.orders:
                await self._orders.carry_out(self.state.orders[0])
            else:
                await self.await_alarm(self._is_interrupted)
            if workflow.info().is_continue_as_new_suggested() and not self.state.orders:
                await self._continue(given)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return VettingResult(application_id=self.state.application_id, status=self.state.status)

    async def _await_submission(self) -> None:
        """Wait for the submission that started this process; one that was turned away leaves a draft."""

        def submitted() -> bool:
            return self.state.stage is not Stage.INTAKE

        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: submitted() or self.abandoned, timeout=SUBMISSION_TIMEOUT)
        # Another submission may still be on its way, behind a refused one or a database that is down.
        await workflow.wait_condition(lambda: submitted() or workflow.all_handlers_finished())
        self.abandoned = not submitted()

    async def _continue(self, given: VettingInput) -> None:
        # A handler may be waiting for an order that it has just given: the order comes first then.
        await workflow.wait_condition(lambda: bool(self.state.orders) or workflow.all_handlers_finished())
        if self.state.closed or self.abandoned or self.state.orders:
            return
        carried = {"carried": self.state, "answered": self.remembered()}
        workflow.continue_as_new(given.model_copy(update=carried))

    def _is_interrupted(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    async def write(
        self, state: VettingState, effects: Effects, now: datetime, extra: Besides | None
    ) -> Written[VettingState]:
        """Write one transition; with an admission the automatic checks decide in the same transaction."""
        besides = extra or Besides()
        result = await workflow.execute_local_activity_method(
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
                review=besides.review,
                admission=besides.admission,
            ),
            start_to_close_timeout=RECORD_SECONDS,
            retry_policy=RECORD_RETRY,
            local_retry_threshold=LOCAL_RETRIES,
        )
        if result.refusal is None:
            if besides.admission is not None:
                admitted(state, result.flags)
            return Written(ahead=result.ahead)
        # Without a row of its own the process has nothing left to carry on.
        self.abandoned = self.abandoned or result.refusal is Refusal.NOT_OPEN
        detail = result.model_dump(mode="json", include={"missing", "reapply_after"})
        if result.refusal is Refusal.WRONG_STAGE:
            detail["stage"] = self.state.stage.value
        return Written(result.refusal, detail)

    async def _settle(self, *kinds: OrderKind) -> StatusView:
        """Wait until no order of ``kinds`` is outstanding, so that whoever acted sees what follows."""
        await workflow.wait_condition(
            lambda: self.abandoned or all(order.kind not in kinds for order in self.state.orders)
        )
        return self.view()

    @workflow.query
    def status(self) -> StatusView:
        """Tell where the application stands."""
        return self.view()

    @workflow.query
    def timeline(self) -> list[Entry]:
        """Tell what happened so far, oldest first."""
        return list(self.state.timeline)

    @workflow.update
    async def submit(self, request: Submit) -> StatusView:
        """Submit the draft: the automatic checks decide in the transaction that takes it in."""
        try:
            return await self.decide(
                changes.submission(request), Besides(admission=Admission(edit_version=request.edit_version))
            )
        except ApplicationError:
            self.abandoned = self.state.stage is Stage.INTAKE
            raise

    @submit.validator
    def _check_submit(self, request: Submit) -> None:
        self.validate(changes.submission(request))

    @workflow.update
    async def resubmit(self, request: Submit) -> StatusView:
        """Answer a request for changes."""
        return await self.decide(
            changes.resubmission(request), Besides(admission=Admission(edit_version=request.edit_version))
        )

    @resubmit.validator
    def _check_resubmit(self, request: Submit) -> None:
        self.validate(changes.resubmission(request))

    @workflow.update
    async def withdraw(self, request: Act) -> StatusView:
        """Withdraw the application, or the appeal if one is being decided."""
        return await self.decide(changes.withdrawal(request))

    @withdraw.validator
    def _check_withdraw(self, request: Act) -> None:
        self.validate(changes.withdrawal(request))

    @workflow.update
    async def claim(self, request: Act) -> StatusView:
        """Hold the application for one reviewer."""
        return await self.decide(changes.claiming(request))

    @claim.validator
    def _check_claim(self, request: Act) -> None:
        self.validate(changes.claiming(request))

    @workflow.update
    async def release(self, request: Act) -> StatusView:
        """Give the application back to the queue."""
        return await self.decide(changes.releasing(request))

    @release.validator
    def _check_release(self, request: Act) -> None:
        self.validate(changes.releasing(request))

    @workflow.update
    async def declare_conflict(self, request: Act) -> StatusView:
        """Step aside for a conflict of interest."""
        opinion_counts = not workflow.patched(DROPS_OPINION)
        return await self.decide(changes.stepping_aside(request, opinion_counts=opinion_counts))

    @declare_conflict.validator
    def _check_declare_conflict(self, request: Act) -> None:
        self.validate(changes.stepping_aside(request))

    @workflow.update
    async def review(self, request: Review) -> StatusView:
        """Take a reviewer's opinion; the answer comes when what follows from it has begun."""
        await self.decide(changes.reviewing(request), Besides(review=request))
        return await self._settle(OrderKind.OPEN_BALLOT)

    @review.validator
    def _check_review(self, request: Review) -> None:
        self.validate(changes.reviewing(request))

    @workflow.update
    async def confirm_violation(self, request: ConfirmViolation) -> StatusView:
        """Take a confirmed violation: staff review the probation at once."""
        await self.decide(changes.violating(request))
        return await self._settle(OrderKind.JUDGE_PROBATION)

    @confirm_violation.validator
    def _check_confirm_violation(self, request: ConfirmViolation) -> None:
        self.validate(changes.violating(request))

    @workflow.update
    async def decide_probation(self, request: DecideProbation) -> StatusView:
        """Pass, extend or fail a probation."""
        return await self.decide(changes.deciding_probation(request))

    @decide_probation.validator
    def _check_decide_probation(self, request: DecideProbation) -> None:
        self.validate(changes.deciding_probation(request))

    @workflow.update
    async def appeal(self, request: Appeal) -> StatusView:
        """Appeal against a rejection or a failed probation."""
        return await self.decide(changes.appealing(request))

    @appeal.validator
    def _check_appeal(self, request: Appeal) -> None:
        self.validate(changes.appealing(request))

    @workflow.update
    async def decide_appeal(self, request: DecideAppeal) -> StatusView:
        """Uphold the loss, or overturn it; the answer comes when what follows has begun."""
        await self.decide(changes.deciding_appeal(request))
        return await self._settle(OrderKind.OPEN_BALLOT)

    @decide_appeal.validator
    def _check_decide_appeal(self, request: DecideAppeal) -> None:
        self.validate(changes.judging_appeal(request))
