"""The work that the campaign process orders from outside, and the transition that each result makes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.campaigns import CampaignActivities
from contracts.campaigns import BulkInput, BulkResult, CampaignView, FinishInput
from domain.campaigns import amnesties, run
from domain.campaigns.members import shard_ranges
from domain.campaigns.state import CampaignState, Effects, Order, OrderKind
from workflows.process import Change

# What an order does is needed for the process to go on, so it is tried until it succeeds.
UNTIL_DONE = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    # After an outage nobody waits longer than this for what was due, however long it has lasted.
    maximum_interval=timedelta(seconds=10),
)
BULK = timedelta(hours=2)
BULK_HEARTBEAT = timedelta(seconds=10)
# A letter that could not even be queued by then is given up visibly: the campaign goes on without it.
MAIL_GIVES_UP = timedelta(hours=2)

_Bulk = Callable[[CampaignActivities, BulkInput], Awaitable[BulkResult]]


def _told_apart() -> bool:
    """Tell whether this process tells members of a settlement once all are paid.

    Those from before tell each with the payment.
    """
    return workflow.patched("results-are-told-apart")


class Transact(Protocol):
    """Applies a transition, named as a step, and writes it; raises ``Refused`` if the state forbids it."""

    def __call__(self, change: Change[CampaignState, Effects], step: str) -> Awaitable[CampaignView]: ...


class CampaignOrders:
    """Carries out orders one at a time; ``state`` reads the state, ``transact`` changes it."""

    def __init__(self, transact: Transact, state: Callable[[], CampaignState]) -> None:
        self._transact = transact
        self._read = state

    async def carry_out(self, order: Order) -> None:
        """Do what ``order`` says and make its transition."""
        handlers = {
            OrderKind.CLOSE_DAY: self._close_day,
            OrderKind.REMIND: self._remind,
            OrderKind.SETTLE: self._settle,
            OrderKind.TELL: self._tell,
            OrderKind.AMNESTY: self._amnesty,
        }
        await handlers[order.kind](order)

    async def _finish(self, order: Order, change: Change[CampaignState, Effects]) -> None:
        """Make ``change`` and take ``order`` off the list in one transition, if it is still there."""

        def finished(state: CampaignState, now: Any) -> Effects:
            if not state.has(order):
                # Cancelled meanwhile: what was done stands in the database, and nobody waits for it.
                return Effects()
            state.take(order)
            return change(state, now)

        await self._transact(finished, order.step)

    def _shards(self, order: Order) -> list[BulkInput]:
        state = self._read()
        plan = state.agreed
        return [
            BulkInput(
                campaign_id=state.campaign_id,
                process_id=workflow.info().workflow_id,
                at=workflow.now(),
                first=first,
                last=last,
                day=order.number,
                slot=order.slot,
                nudge_after=plan.nudge_after_missed,
                cancelled=state.cancelled,
            )
            for first, last in shard_ranges(state.policy.shards(plan.capacity))
        ]

    async def _close_day(self, order: Order) -> None:
        results = await self._bulk(CampaignActivities.close_day, self._shards(order))
        done, members = sum(r.done for r in results), sum(r.members for r in results)
        await self._finish(order, lambda s, now: run.day_closed(s, order.number, done, members - done, now))

    async def _remind(self, order: Order) -> None:
        shards = self._shards(order)
        await self._mail(
            order, CampaignActivities.remind, shards, "reminder_failed", day=order.number, hour=order.slot
        )

    async def _tell(self, order: Order) -> None:
        shards = [
            shard.model_copy(update={"number": order.number, "notice": order.notice})
            for shard in self._shards(order)
        ]
        await self._mail(order, CampaignActivities.tell, shards, "notice_failed")

    async def _mail(
        self, order: Order, activity: _Bulk, shards: list[BulkInput], failure: str, **detail: Any
    ) -> None:
        """Queue a letter to members; one that cannot be queued is given up visibly, and the day goes on."""
        # After the end nothing waits for it any more, and what members earned is said in no other letter.
        gives_up = None if self._read().closed else MAIL_GIVES_UP
        failed = False
        try:
            await self._bulk(activity, shards, gives_up=gives_up)
        except ActivityError:
            workflow.logger.exception("mail given up")
            failed = True

        def mailed(state: CampaignState, now: Any) -> Effects:
            effects = Effects()
            if failed:
                state.note(effects, now, failure, **detail)
            return effects

        await self._finish(order, mailed)

    async def _amnesty(self, order: Order) -> None:
        given = amnesties.numbered(self._read(), order.number)
        shards = [
            shard.model_copy(update={"number": order.number, "amnesty": given})
            for shard in self._shards(order)
        ]
        results = await self._bulk(CampaignActivities.repair, shards)
        # Each tells the sum of all shards so far: the last to end knows it whole.
        members = max(result.members for result in results)
        await self._finish(order, lambda s, now: amnesties.repaired(s, order.number, members, now))

    async def _settle(self, order: Order) -> None:
        told_apart = _told_apart()
        shards = [shard.model_copy(update={"told_apart": told_apart}) for shard in self._shards(order)]
        results = await self._bulk(CampaignActivities.settle, shards)
        state = self._read()
        await workflow.execute_activity_method(
            CampaignActivities.report,
            FinishInput(campaign_id=state.campaign_id, at=workflow.now()),
            start_to_close_timeout=BULK,
            heartbeat_timeout=BULK_HEARTBEAT,
            retry_policy=UNTIL_DONE,
        )
        paid, members = sum(r.points for r in results), sum(r.members for r in results)

        def settled(state: CampaignState, now: Any) -> Effects:
            return run.settled(state, paid, members, now, told_apart=told_apart)

        await self._finish(order, settled)

    async def _bulk(
        self,
        activity: _Bulk,
        shards: list[BulkInput],
        gives_up: timedelta | None = None,
    ) -> list[BulkResult]:
        """Do one activity for all shards at once; each resumes where an earlier try stopped."""
        return list(
            await asyncio.gather(
                *(
                    workflow.execute_activity_method(
                        activity,
                        shard,
                        start_to_close_timeout=BULK,
                        heartbeat_timeout=BULK_HEARTBEAT,
                        schedule_to_close_timeout=gives_up,
                        retry_policy=UNTIL_DONE,
                    )
                    for shard in shards
                )
            )
        )
