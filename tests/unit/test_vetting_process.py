"""The rules of vetting as one machine: whatever comes in whatever order, its promises hold."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.ballots import Tally
from domain.credentials import ClaimFinding, ClaimVerdict
from domain.policy import ProbationPolicy, VettingPolicy
from domain.probation import Figures
from domain.process import Refused
from domain.vetting import (
    REVIEW_STAGES,
    AppealDecision,
    ChecklistItem,
    ProbationDecision,
    ReasonCode,
    ReviewDecision,
    Stage,
    Status,
    WaitingOn,
    ends,
    process,
    review,
    trial,
    vote,
)
from domain.vetting.review import Review
from domain.vetting.state import CONSEQUENCE, Alarm, Effects, Order, OrderKind, VettingState
from tests.support import legal_states

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
APPLICANT, STAFF = "applicant", ("ann", "bob", "cyd", "dee", "lead")
POLICY = VettingPolicy(probation=ProbationPolicy(length_days=21, extension_days=14))

STATUSES = {Stage.INTAKE: {Status.DRAFT}, **legal_states.STATUSES}

people = st.sampled_from([APPLICANT, *STAFF])
staff = st.sampled_from(STAFF)


class Found(NamedTuple):
    """What the world outside answers to an order."""

    yes: int
    no: int
    extend: bool
    posts: int


results = st.builds(Found, st.integers(0, 9), st.integers(0, 5), st.booleans(), st.integers(0, 4))


def approval(reviewer_id: str, verified: set[str], is_lead: bool) -> Review:
    findings = tuple(
        ClaimFinding(
            claim_id=claim, verdict=ClaimVerdict.VERIFIED if claim in verified else ClaimVerdict.REFUSED
        )
        for claim in ("baking", "cooking")
    )
    return Review(
        reviewer_id=reviewer_id,
        is_lead=is_lead,
        decision=ReviewDecision.APPROVE,
        checklist=dict.fromkeys(ChecklistItem, True),
        findings=findings,
    )


class Vetting(RuleBasedStateMachine):
    """Random requests, alarms and results at one application; a model of what must never happen beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
        self.now = START
        self.rung: Counter[Alarm] = Counter()
        self.codes: Counter[str] = Counter()
        self.entries: list[int] = []
        self.steps = 0
        self.provisional = False
        self.open_ballots: set[str] = set()

    def attempt(self, change: Any) -> bool:
        """Apply ``change`` as the process does; a refusal must leave no trace, an end no way on."""
        before = self.state.model_dump()
        was_closed = self.state.closed
        copy = self.state.model_copy()
        try:
            effects: Effects = change(copy, self.now)
        except Refused:
            assert self.state.model_dump() == before
            return False
        assert not was_closed, "went past an end"
        assert self.state.model_dump() == before, "a transition changed what it was given"
        copy.revision += 1
        self.steps += 1
        self.state = copy
        self.entries += [entry.seq for entry in effects.entries]
        self.codes.update(entry.code for entry in effects.entries)
        self._follow_roles(effects)
        return True

    def _follow_roles(self, effects: Effects) -> None:
        if effects.revoke is not None:
            assert self.provisional, "took a role that was not given"
            self.provisional = False
        if effects.grant is not None and effects.grant.value == "provisional_leader":
            self.provisional = True
        if effects.cancelled_ballot:
            self.open_ballots.discard(effects.cancelled_ballot)

    @initialize(start=st.sampled_from(["review", "vote", "probation", "decision", "lost"]))
    def start(self, start: str) -> None:
        """Begin somewhere on the way, or most examples would end in review."""
        assert self.attempt(lambda s, now: review.submit(s, APPLICANT, now))
        if start == "review":
            return
        assert self.attempt(lambda s, now: review.review(s, approval("cyd", {"baking"}, False), now))
        assert self.attempt(lambda s, now: review.review(s, approval("dee", {"baking"}, False), now))
        if start != "vote":
            self._to_probation(wins=start != "lost")
        if start == "decision":
            assert self.attempt(lambda s, now: trial.violation(s, "ann", "v", "spam", now))
            self.first_order(Found(0, 0, False, 0))

    def _to_probation(self, wins: bool) -> None:
        found = Found(yes=9 if wins else 0, no=0 if wins else 9, extend=False, posts=3)
        while self.state.status is Status.MEMBER_VOTE:
            if self.state.orders:
                self.first_order(found)
            else:
                self.ring_next()

    @rule(hours=st.integers(0, 100))
    def time_passes(self, hours: int) -> None:
        """Time passes, but no further than to the next alarm: the process rings each at its instant."""
        alarm = self.state.next_alarm
        later = self.now + timedelta(hours=hours)
        self.now = min(later, alarm.at) if alarm and alarm.at >= self.now else later

    @precondition(lambda self: self.state.alarms and not self.state.orders)
    @rule()
    def next_alarm_rings(self) -> None:
        self.ring_next()

    def ring_next(self) -> None:
        alarm = self.state.next_alarm
        assert alarm is not None
        self.now = max(self.now, alarm.at)
        assert self.attempt(lambda s, now: process.ring(s, alarm, now))
        self.rung[alarm] += 1
        assert not self.attempt(lambda s, now: process.ring(s, alarm, now)), "rang twice"

    @precondition(lambda self: self.state.orders)
    @rule(found=results)
    def first_order_is_done(self, found: Found) -> None:
        self.first_order(found)

    def first_order(self, found: Found) -> None:
        order = self.state.orders[0]

        def finished(state: VettingState, now: datetime) -> Effects:
            state.done(order)
            return self._result(state, order, now, found)

        assert self.attempt(finished), f"an order of the state was refused: {order}"
        assert order not in self.state.orders

    def _result(self, state: VettingState, order: Order, now: datetime, found: Found) -> Effects:
        ballot_id, number = order.ballot_id or "", order.number
        if order.kind is OrderKind.OPEN_BALLOT:
            self.open_ballots.add(ballot_id)
            return vote.opened(state, ballot_id, now, now + timedelta(days=7), 20, now)
        if order.kind is OrderKind.MAIL_ROLL:
            return Effects()
        if order.kind is OrderKind.COUNT_BALLOT:
            return self._counted(state, ballot_id, now, found)
        assert state.period is not None
        total = Figures(posts=found.posts, ratings=12, rating_sum=60)
        if order.kind is OrderKind.EVALUATE_WEEK:
            return trial.week_evaluated(state, state.period.number, number, total, now)
        posts = [found.posts] * 3
        if order.why == "midterm":
            return trial.midterm_reached(state, number, posts, total, now)
        return trial.judged(state, number, posts, total, now, order.why or "ended")

    def _counted(self, state: VettingState, ballot_id: str, now: datetime, found: Found) -> Effects:
        assert state.ballot is not None
        until = vote.extension_end(state, state.ballot, now)
        if found.extend and until is not None:
            return vote.extended(state, ballot_id, until, now)
        self.open_ballots.discard(ballot_id)
        return vote.counted(state, ballot_id, Tally(yes=found.yes, no=found.no, roll=20), now)

    @precondition(lambda self: self.state.stage is Stage.CHANGES_REQUESTED)
    @rule(actor=people)
    def resubmit(self, actor: str) -> None:
        self.attempt(lambda s, now: review.resubmit(s, actor, now))

    @rule(actor=people, misplaced=st.sampled_from([review.resubmit, ends.withdraw]))
    def act_on_the_closed(self, actor: str, misplaced: Any) -> None:
        if self.state.closed:
            assert not self.attempt(lambda s, now: misplaced(s, actor, now))

    @rule(actor=people)
    def submit_again(self, actor: str) -> None:
        assert not self.attempt(lambda s, now: review.submit(s, actor, now))

    @precondition(lambda self: self.state.stage in REVIEW_STAGES)
    @rule(actor=staff, is_lead=st.booleans())
    def claim(self, actor: str, is_lead: bool) -> None:
        self.attempt(lambda s, now: review.claim(s, actor, is_lead, now))

    @precondition(lambda self: self.state.stage in REVIEW_STAGES)
    @rule(actor=staff, is_lead=st.booleans())
    def release(self, actor: str, is_lead: bool) -> None:
        self.attempt(lambda s, now: review.release(s, actor, is_lead, now))

    @precondition(lambda self: self.state.stage in REVIEW_STAGES)
    @rule(actor=st.sampled_from(STAFF[:2]))
    def declare_conflict(self, actor: str) -> None:
        if self.attempt(lambda s, now: review.declare_conflict(s, actor, now)):
            assert self.state.claimed_by != actor

    @precondition(lambda self: self.state.stage in REVIEW_STAGES)
    @rule(actor=people, verified=st.sets(st.sampled_from(["baking", "cooking"]), min_size=1))
    def approve(self, actor: str, verified: set[str]) -> None:
        if self.attempt(lambda s, now: review.review(s, approval(actor, verified, actor == "lead"), now)):
            assert actor != APPLICANT
            assert actor not in self.state.conflicted

    @precondition(lambda self: self.state.stage in REVIEW_STAGES)
    @rule(actor=people, decision=st.sampled_from(["reject", "request_changes"]))
    def turn_down(self, actor: str, decision: str) -> None:
        request = Review(
            reviewer_id=actor,
            is_lead=actor == "lead",
            decision=ReviewDecision(decision),
            reasons=(ReasonCode.OTHER,),
        )
        self.attempt(lambda s, now: review.review(s, request, now))

    @precondition(lambda self: self.state.status is Status.PROBATION)
    @rule(actor=people)
    def confirm_violation(self, actor: str) -> None:
        self.attempt(lambda s, now: trial.violation(s, actor, "v", "spam", now))

    @precondition(lambda self: self.state.stage is Stage.PROBATION_DECISION)
    @rule(actor=people, decision=st.sampled_from(ProbationDecision), note=st.sampled_from([None, "n"]))
    def decide_probation(self, actor: str, decision: ProbationDecision, note: str | None) -> None:
        extended = self.state.extended
        if self.attempt(lambda s, now: trial.decide(s, actor, decision, note, now)):
            assert not (extended and decision is ProbationDecision.EXTEND)

    @precondition(lambda self: self.state.status in legal_states.LOST)
    @rule(actor=people)
    def appeal(self, actor: str) -> None:
        used = self.state.appeal_used
        if self.attempt(lambda s, now: ends.appeal(s, actor, "n", now)):
            assert not used
            assert actor == APPLICANT

    @precondition(lambda self: self.state.stage is Stage.APPEAL_REVIEW)
    @rule(actor=people, decision=st.sampled_from(AppealDecision))
    def decide_appeal(self, actor: str, decision: AppealDecision) -> None:
        decided = self.state.decided_by
        if self.attempt(lambda s, now: process.decide_appeal(s, actor, decision, None, now)):
            assert actor not in decided

    # Rarely, or no application would ever get far.
    @precondition(lambda self: self.now.hour == 13)
    @rule(actor=people)
    def withdraw(self, actor: str) -> None:
        if self.attempt(lambda s, now: ends.withdraw(s, actor, now)):
            assert actor == APPLICANT
            assert self.state.closed

    @invariant()
    def stage_and_status_belong_together(self) -> None:
        assert self.state.status in STATUSES[self.state.stage]
        assert self.state.closed == (self.state.stage is Stage.CLOSED)

    @invariant()
    def the_revision_only_grows(self) -> None:
        assert self.state.revision == self.steps

    @invariant()
    def the_closed_wait_for_nothing(self) -> None:
        if self.state.closed:
            assert (self.state.alarms, self.state.orders) == ((), ())
            assert self.state.waiting_on is WaitingOn.NOBODY
            assert self.state.claimed_by is None
            assert not self.open_ballots
            assert not self.provisional

    @invariant()
    def the_open_always_wait_for_something(self) -> None:
        if not self.state.closed and self.state.stage is not Stage.INTAKE:
            assert self.state.alarms or self.state.orders, "nothing would ever happen again"

    @invariant()
    def the_role_follows_the_stage(self) -> None:
        assert self.provisional == (self.state.status is Status.PROBATION)

    @invariant()
    def the_timeline_has_no_gap(self) -> None:
        numbers = [entry.seq for entry in self.state.timeline]
        assert numbers == list(range(1, len(numbers) + 1)) == self.entries
        times = [entry.at for entry in self.state.timeline]
        assert times == sorted(times)

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert all(times == 1 for times in self.rung.values())
        for code in ("submitted", "certified", "appealed", "expired", "withdrawn", "probation_extend"):
            assert self.codes[code] <= 1
        assert self.codes["probation_extended"] <= 2
        assert self.codes["ballot_opened"] <= 2
        # Nobody gives two opinions in one round.
        reviewers = [opinion.reviewer_id for opinion in self.state.opinions]
        assert len(reviewers) == len(set(reviewers))

    @invariant()
    def the_deadline_is_one_of_the_stage(self) -> None:
        deadline = self.state.deadline
        if deadline is not None:
            assert deadline in self.state.alarms
            assert CONSEQUENCE[deadline.kind] is self.state.if_nothing_happens
            assert deadline.at == min(a.at for a in self.state.alarms if a.kind in CONSEQUENCE)

    @invariant()
    def it_survives_being_written_down(self) -> None:
        assert VettingState.model_validate_json(self.state.model_dump_json()) == self.state


TestVetting = Vetting.TestCase
TestVetting.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
