"""The process of one campaign, from the plan that is handed in to the settlement.

The rules are in ``domain.campaigns``. What members do never comes here: check-ins are transactions of
their own, and the process reads sums when a day ends.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from activities.campaigns import CampaignActivities
from contracts.campaigns import (
    Act,
    CampaignInput,
    CampaignResult,
    CampaignView,
    Decide,
    Declare,
    Extend,
    RecordInput,
    Submit,
    view_of,
)
from domain.campaigns import amnesties, process, review, run
from domain.campaigns.state import Alarm, CampaignState, Effects
from domain.campaigns.terms import Refusal
from domain.process import Timed
from workflows.campaign_orders import CampaignOrders
from workflows.process import LOCAL_RETRIES, RECORD_RETRY, RECORD_SECONDS, Change, Process, Shown, Written

SUBMISSION_TIMEOUT = timedelta(minutes=10)
# Well below the server's limit: a day of a campaign writes some dozens of events.
LONGEST_HISTORY = 1_500

_Change = Change[CampaignState, Effects]


def _submission(request: Submit) -> _Change:
    return lambda state, now: review.submit(state, request.actor_id, request.plan, now)


def _review(request: Decide) -> _Change:
    return lambda state, now: review.review(
        state, request.actor_id, request.decision, request.reasons, request.note_id, now
    )


def _members_are_told() -> bool:
    """Tell whether this process orders letters about what is done to it: those from before do not."""
    return workflow.patched("members-are-told")


def _pause(request: Act, told: bool = True) -> _Change:
    return lambda state, now: run.pause(state, request.actor_id, request.note_id, now, told=told)


def _resumption(request: Act, told: bool = True) -> _Change:
    return lambda state, now: run.resume(state, request.actor_id, now, told=told)


def _extension(request: Extend, told: bool = True) -> _Change:
    return lambda state, now: run.extend(state, request.actor_id, request.days, now, told=told)


def _waiting_are_told() -> bool:
    """Tell whether this process writes to the waiting list of a campaign that ends in its middle days."""
    return workflow.patched("waiting-are-told")


def _vain_are_told() -> bool:
    """Tell whether this process writes to who waits in vain with the start, if one joins before it only."""
    return workflow.patched("vain-waiting-is-told-with-the-start")


def _cancellation(request: Act, told: bool = True, waiting_told: bool = True) -> _Change:
    return lambda state, now: run.cancel(
        state, request.actor_id, request.note_id, now, told=told, waiting_told=waiting_told
    )


def _amnesty(request: Declare) -> _Change:
    return lambda state, now: amnesties.declare(state, request.actor_id, request.days, request.note_id, now)


class CampaignProcess(Process[CampaignState, Effects, CampaignView]):
    """One campaign; its id is ``campaign/{id}``."""

    def __init__(self, given: CampaignInput) -> None:
        state = given.carried or CampaignState(
            campaign_id=given.campaign_id,
            leader_id=given.leader_id,
            policy=given.policy,
            policy_version=given.policy_version,
        )
        super().__init__(state, given.answered)
        self._orders = CampaignOrders(self.transact, lambda: self.state)

    def view(self) -> CampaignView:
        """Return what people are told."""
        return view_of(self.state)

    def shown(self) -> Shown:
        """Return what the visibility store is told."""
        view = self.view()
        return Shown("campaign", view.status.value, view.waiting_on.value, view.next_deadline)

    def ringing(self, alarm: Timed) -> _Change:
        """Return the transition that answers ``alarm``."""
        if not isinstance(alarm, Alarm):
            raise TypeError("an alarm of another process")
        told = run.ends_joining(self.state, alarm) and _vain_are_told()
        return lambda state, now: process.ring(state, alarm, now, vain_told=told)

    async def write(
        self, state: CampaignState, effects: Effects, now: datetime, extra: Any
    ) -> Written[CampaignState]:
        """Write one transition; ``extra`` is the version of the row that a plan was read from."""
        result = await workflow.execute_local_activity_method(
            CampaignActivities.record,
            RecordInput(
                process_id=workflow.info().workflow_id,
                run_id=workflow.info().first_execution_run_id,
                at=now,
                state=state,
                entries=tuple(effects.entries),
                mails=tuple(effects.mails),
                reserve=effects.reserve,
                release=effects.release,
                edit_version=extra,
                amnesty=effects.amnesty,
            ),
            start_to_close_timeout=RECORD_SECONDS,
            retry_policy=RECORD_RETRY,
            local_retry_threshold=LOCAL_RETRIES,
        )
        self.abandoned = self.abandoned or result.refusal is Refusal.NOT_OPEN
        detail = {"available": result.available} if result.available is not None else {}
        return Written(result.refusal, detail, result.ahead)

    async def carry_on(self, given: CampaignInput) -> CampaignResult:
        """Carry the campaign on until it has ended: orders first, then whichever comes next.

        Letters may be left to be written after its end: those are orders, too.
        """
        if not await self._handed_in():
            return CampaignResult(campaign_id=given.campaign_id, status=self.state.status)
        while not self.abandoned and (self.state.orders or not self.state.closed):
            if self.state.orders:
                await self._orders.carry_out(self.state.orders[0])
            else:
                await self.await_alarm(self._is_long)
            if self._is_long():
                await self._continue(given)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return CampaignResult(campaign_id=self.state.campaign_id, status=self.state.status)

    async def _handed_in(self) -> bool:
        """Wait for the plan that started this process; one that was turned away leaves a draft."""

        def handed_in() -> bool:
            return self.state.submitted_at is not None

        with suppress(TimeoutError):
            await workflow.wait_condition(handed_in, timeout=SUBMISSION_TIMEOUT)
        # Another submission may still be on its way, behind a refused one or a database that is down.
        await workflow.wait_condition(lambda: handed_in() or workflow.all_handlers_finished())
        return handed_in()

    def _is_long(self) -> bool:
        return workflow.info().get_current_history_length() > LONGEST_HISTORY

    async def _continue(self, given: CampaignInput) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self.state.closed or self.abandoned:
            return
        carried = {"carried": self.state, "answered": self.remembered()}
        workflow.continue_as_new(given.model_copy(update=carried))

    @workflow.query
    def status(self) -> CampaignView:
        """Tell where the campaign stands."""
        return self.view()

    @workflow.update
    async def submit(self, request: Submit) -> CampaignView:
        """Hand a plan in, at first or after changes."""
        return await self.decide(_submission(request), request.edit_version)

    @submit.validator
    def _check_submit(self, request: Submit) -> None:
        self.validate(_submission(request))

    @workflow.update
    async def review(self, request: Decide) -> CampaignView:
        """Approve, reject or ask for changes."""
        return await self.decide(_review(request))

    @review.validator
    def _check_review(self, request: Decide) -> None:
        self.validate(_review(request))

    @workflow.update
    async def pause(self, request: Act) -> CampaignView:
        """Stop the campaign where it is."""
        return await self.decide(_pause(request, _members_are_told()))

    @pause.validator
    def _check_pause(self, request: Act) -> None:
        self.validate(_pause(request))

    @workflow.update
    async def resume(self, request: Act) -> CampaignView:
        """Go on where it was paused."""
        return await self.decide(_resumption(request, _members_are_told()))

    @resume.validator
    def _check_resume(self, request: Act) -> None:
        self.validate(_resumption(request))

    @workflow.update
    async def extend(self, request: Extend) -> CampaignView:
        """Add days at the end."""
        return await self.decide(_extension(request, _members_are_told()))

    @extend.validator
    def _check_extend(self, request: Extend) -> None:
        self.validate(_extension(request))

    @workflow.update
    async def cancel(self, request: Act) -> CampaignView:
        """End the campaign before its time."""
        return await self.decide(_cancellation(request, _members_are_told(), _waiting_are_told()))

    @cancel.validator
    def _check_cancel(self, request: Act) -> None:
        self.validate(_cancellation(request))

    @workflow.update
    async def amnesty(self, request: Declare) -> CampaignView:
        """Let everybody rest on the days that an outage spoilt."""
        return await self.decide(_amnesty(request))

    @amnesty.validator
    def _check_amnesty(self, request: Declare) -> None:
        self.validate(_amnesty(request))
