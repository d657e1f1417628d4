"""Corners of the rules of vetting that random walks seldom reach."""

from datetime import timedelta

import pytest

from domain.probation import Figures
from domain.process import Refused
from domain.vetting import ProbationDecision, ReasonCode, Refusal, ends, review, trial, vote
from domain.vetting.state import Effects, VettingState
from tests.unit.test_vetting_process import APPLICANT, POLICY, START, approval


def judged_after_a_violation() -> VettingState:
    """A state whose staff must decide, with one more violation being judged."""
    state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
    trial.begin(state, Effects(), START)
    trial.violation(state, "ann", "v1", "spam", START)
    state.orders = ()
    trial.judged(state, 1, [], Figures(), START, "violation")
    return state


def test_staff_decide_only_when_no_violation_waits_to_be_judged() -> None:
    state = judged_after_a_violation()
    trial.violation(state, "ann", "v2", "spam", START)
    with pytest.raises(Refused) as refusal:
        trial.decide(state, "bob", ProbationDecision.EXTEND, "note", START)
    assert refusal.value.refusal is Refusal.WRONG_STAGE


@pytest.mark.parametrize(
    ("late", "days"),
    [(timedelta(seconds=2), 3), (timedelta(hours=1), 3), (timedelta(days=5), 8)],
)
def test_an_extension_gives_its_days_even_when_the_count_came_late(late: timedelta, days: int) -> None:
    state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
    vote.begin(state, START)
    assert state.ballot is not None
    ballot = state.ballot.model_copy(update={"closes_at": START})
    assert vote.extension_end(state, ballot, START + late) == START + timedelta(days=days)
    assert vote.extension_end(state, ballot.model_copy(update={"extended": True}), START) is None


def test_mail_to_staff_leaves_out_who_may_not_act() -> None:
    state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
    review.submit(state, APPLICANT, START)
    review.review(state, approval("ann", {"baking"}, False), START)
    review.declare_conflict(state, "bob", START)
    assert set(state.barred_staff) == {"ann", "bob"}
    review.review(state, approval("cyd", {"baking"}, False), START)
    assert {*state.barred_staff} == {"bob"}
    ends.reject(state, Effects(), (ReasonCode.NO_QUORUM,), START)
    ends.appeal(state, APPLICANT, "n", START)
    assert set(state.barred_staff) == {"ann", "bob", "cyd"}
