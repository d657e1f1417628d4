"""The work that the vetting process orders from outside, and the transition that each result makes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.ballots import BallotActivities
from activities.probation import ProbationActivities
from contracts.ballots import CountBallot, MailRoll, OpenBallot
from contracts.vetting import EvaluateWeek, JudgeProbation, ProbationFigures, StatusView
from domain.mail import MailTemplate
from domain.probation import full_weeks
from domain.process import Refused
from domain.vetting import trial, vote
from domain.vetting.state import BallotState, Effects, Order, OrderKind, VettingState
from workflows.vetting_changes import Change

# What an order does is needed for the process to go on, so it is tried until it succeeds.
UNTIL_DONE = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
)
# Nobody waits for one shard of a mail, and the process waits for it alone: few tries, ever further apart.
UNTIL_MAILED = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=30),
)
QUICK = timedelta(seconds=15)
BULK = timedelta(minutes=30)
BULK_HEARTBEAT = timedelta(seconds=15)
# A mail that could not even be queued for this long is given up visibly; the vote goes on without it.
MAIL_GIVES_UP = timedelta(hours=12)


class Transact(Protocol):
    """Applies a transition, named as a step, and writes it; raises ``Refused`` if the state forbids it."""

    def __call__(self, change: Change, step: str) -> Awaitable[StatusView]: ...


class VettingOrders:
    """Carries out orders one at a time; ``state`` reads the state, ``transact`` changes it."""

    def __init__(self, transact: Transact, state: Callable[[], VettingState]) -> None:
        self._transact = transact
        self._read = state

    async def carry_out(self, order: Order) -> None:
        """Do what ``order`` says and make its transition; an order that lost its cause is dropped."""
        handlers = {
            OrderKind.OPEN_BALLOT: self._open_ballot,
            OrderKind.MAIL_ROLL: self._mail_roll,
            OrderKind.COUNT_BALLOT: self._count_ballot,
            OrderKind.EVALUATE_WEEK: self._evaluate_week,
            OrderKind.JUDGE_PROBATION: self._judge_probation,
        }
        await handlers[order.kind](order)

    async def _finish(self, order: Order, change: Change) -> bool:
        """Make ``change`` and take ``order`` off the list in one transition; False if it was overtaken."""

        def finished(state: VettingState, now: datetime) -> Effects:
            state.done(order)
            return change(state, now)

        try:
            await self._transact(finished, order.step)
        except Refused:
            workflow.logger.info("order overtaken", extra={"order": order.kind.value})
            await self._drop(order)
            return False
        return True

    async def _drop(self, order: Order) -> None:
        """Take ``order`` off the list if it is still there: an order that is refused must not be repeated."""

        def dropped(state: VettingState, now: datetime) -> Effects:
            state.done(order)
            return Effects()

        with suppress(Refused):
            await self._transact(dropped, f"{order.step}:dropped")

    def _ballot(self) -> BallotState:
        ballot = self._read().ballot
        if ballot is None:
            raise RuntimeError("a ballot order without a ballot")
        return ballot

    async def _open_ballot(self, order: Order) -> None:
        state, ballot_id = self._read(), self._ballot().id
        rules, now = state.policy.vote, workflow.now()
        result = await workflow.execute_activity_method(
            BallotActivities.open,
            OpenBallot(
                ballot_id=ballot_id,
                process_id=workflow.info().workflow_id,
                subject_id=state.application_id,
                candidate_id=state.person_id,
                kind="vetting",
                opens_at=now,
                closes_at=now + timedelta(days=rules.window_days),
                member_for_days=rules.member_for_days,
                quorum_share=rules.quorum_share,
                quorum_minimum=rules.quorum_minimum,
                approval_share=rules.approval_share,
            ),
            start_to_close_timeout=BULK,
            heartbeat_timeout=BULK_HEARTBEAT,
            retry_policy=UNTIL_DONE,
        )
        opened = await self._finish(
            order,
            lambda s, at: vote.opened(s, ballot_id, result.opens_at, result.closes_at, result.roll, at),
        )
        if not opened:
            # Withdrawn while the roll was being frozen: the ballot must not stay open without a process.
            await workflow.execute_activity_method(
                BallotActivities.cancel, ballot_id, start_to_close_timeout=QUICK, retry_policy=UNTIL_DONE
            )

    async def _mail_roll(self, order: Order) -> None:
        state, ballot = self._read(), self._ballot()
        shards = state.policy.vote.mail_shards
        mails = [
            MailRoll(
                ballot_id=ballot.id,
                process_id=workflow.info().workflow_id,
                template=order.template or MailTemplate.BALLOT_OPENED,
                number=order.number,
                candidate_id=state.person_id,
                application_id=state.application_id,
                closes_at=ballot.closes_at or workflow.now(),
                only_not_voted=order.template is not MailTemplate.BALLOT_OPENED,
                shard=shard,
                shards=shards,
            )
            for shard in range(shards)
        ]
        results = await asyncio.gather(*(self._mail_shard(mail) for mail in mails))
        failed = [shard for shard, done in enumerate(results) if not done]

        def mailed(state: VettingState, now: datetime) -> Effects:
            effects = Effects()
            if failed:
                state.note(effects, now, "roll_mail_failed", template=order.template, shards=failed)
            return effects

        await self._finish(order, mailed)

    async def _mail_shard(self, mail: MailRoll) -> bool:
        try:
            await workflow.execute_activity_method(
                BallotActivities.mail_roll,
                mail,
                start_to_close_timeout=BULK,
                heartbeat_timeout=BULK_HEARTBEAT,
                schedule_to_close_timeout=MAIL_GIVES_UP,
                retry_policy=UNTIL_MAILED,
            )
        except ActivityError:
            workflow.logger.exception("roll mail given up", extra={"shard": mail.shard})
            return False
        return True

    async def _count_ballot(self, order: Order) -> None:
        state, ballot = self._read(), self._ballot()
        now = workflow.now()
        result = await workflow.execute_activity_method(
            BallotActivities.count,
            CountBallot(
                ballot_id=ballot.id,
                at=now,
                extend_to=vote.extension_end(state, ballot, now),
            ),
            start_to_close_timeout=BULK,
            heartbeat_timeout=BULK_HEARTBEAT,
            retry_policy=UNTIL_DONE,
        )
        extended_to, tally = result.extended_to, result.tally
        if extended_to is not None:
            await self._finish(order, lambda s, now: vote.extended(s, ballot.id, extended_to, now))
        elif tally is not None:
            await self._finish(order, lambda s, now: vote.counted(s, ballot.id, tally, now))

    async def _evaluate_week(self, order: Order) -> None:
        state = self._read()
        if state.period is None:
            raise RuntimeError("an evaluation without a period")
        number = state.period.number
        starts_at, ends_at = trial.week_span(state, order.number)
        figures = await workflow.execute_activity_method(
            ProbationActivities.evaluate_week,
            EvaluateWeek(
                application_id=state.application_id,
                person_id=state.person_id,
                period=number,
                week=order.number,
                starts_at=starts_at,
                ends_at=ends_at,
                at=workflow.now(),
                answer_within_hours=state.policy.probation.answer_within_hours,
            ),
            start_to_close_timeout=QUICK,
            retry_policy=UNTIL_DONE,
        )
        await self._finish(
            order, lambda s, now: trial.week_evaluated(s, number, order.number, figures.total, now)
        )

    async def _judge_probation(self, order: Order) -> None:
        figures = await self._span_figures()
        posts, total = figures.weekly_posts, figures.total
        if order.why == "midterm":
            await self._finish(
                order, lambda s, now: trial.midterm_reached(s, order.number, posts, total, now)
            )
        else:
            await self._finish(
                order,
                lambda s, now: trial.judged(s, order.number, posts, total, now, order.why or "ended"),
            )

    async def _span_figures(self) -> ProbationFigures:
        state = self._read()
        starts_at, ends_at = trial.measured(state, workflow.now())
        return await workflow.execute_activity_method(
            ProbationActivities.figures,
            JudgeProbation(
                person_id=state.person_id,
                starts_at=starts_at,
                ends_at=ends_at,
                at=workflow.now(),
                weeks=full_weeks(starts_at, ends_at),
                answer_within_hours=state.policy.probation.answer_within_hours,
            ),
            start_to_close_timeout=QUICK,
            retry_policy=UNTIL_DONE,
        )
