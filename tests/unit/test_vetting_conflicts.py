"""Somebody who steps aside takes the opinion along that this round still rests on."""

from domain.mail import MailTemplate
from domain.vetting import ReasonCode, ReviewDecision, Stage, WaitingOn, review
from domain.vetting.disclosure import Telling, tellings
from domain.vetting.review import Review
from domain.vetting.state import VettingState
from tests.unit.test_vetting_process import APPLICANT, POLICY, START, approval


def in_review() -> VettingState:
    state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
    review.submit(state, APPLICANT, START)
    return state


def approve(state: VettingState, who: str) -> None:
    review.review(state, approval(who, {"baking"}, False), START)


def reject(state: VettingState, who: str) -> None:
    refusal = Review(reviewer_id=who, decision=ReviewDecision.REJECT, reasons=(ReasonCode.OTHER,))
    review.review(state, refusal, START)


def test_the_first_opinion_is_dropped_and_another_is_asked_for() -> None:
    state = in_review()
    approve(state, "ann")
    effects = review.declare_conflict(state, "ann", START)
    assert (state.stage, state.waiting_on, state.opinions) == (Stage.FIRST_REVIEW, WaitingOn.REVIEWER, ())
    assert [entry.code for entry in effects.entries] == ["conflict_declared", "opinion_dropped"]
    assert [mail.template for mail in effects.mails] == [MailTemplate.STAFF_REVIEW_NEEDED]
    assert not review.declare_conflict(state, "ann", START).entries
    approve(state, "bob")
    approve(state, "cyd")
    assert state.stage is Stage.VOTING
    assert [opinion.reviewer_id for opinion in state.opinions] == ["bob", "cyd"]


def test_a_disagreement_is_none_any_more() -> None:
    state = in_review()
    approve(state, "ann")
    reject(state, "bob")
    assert state.stage is Stage.LEAD_REVIEW
    review.claim(state, "lead", True, START)
    review.declare_conflict(state, "bob", START)
    assert (state.stage, state.claimed_by) == (Stage.SECOND_REVIEW, "lead")
    assert [opinion.reviewer_id for opinion in state.opinions] == ["ann"]


def test_who_said_nothing_in_this_round_leaves_it_as_it_is() -> None:
    state = in_review()
    approve(state, "ann")
    alarms = state.alarms
    review.declare_conflict(state, "bob", START)
    assert (state.stage, state.alarms) == (Stage.SECOND_REVIEW, alarms)


def test_a_round_that_was_decided_stays_decided() -> None:
    state = in_review()
    approve(state, "ann")
    approve(state, "bob")
    effects = review.declare_conflict(state, "ann", START)
    assert state.stage is Stage.VOTING
    assert [entry.code for entry in effects.entries] == ["conflict_declared"]


def test_processes_of_the_first_days_go_on_as_they_did() -> None:
    state = in_review()
    approve(state, "ann")
    review.declare_conflict(state, "ann", START, opinion_counts=True)
    assert state.stage is Stage.SECOND_REVIEW


def test_the_applicant_is_not_told_what_was_dropped() -> None:
    codes = ["submitted", "review_reject", "conflict_declared", "opinion_dropped", "review_reject"]
    told = tellings([*codes, "review_reject", "rejected"])
    assert told[1] is Telling.AS_GIVEN
    assert told[2:4] == (Telling.NOTHING, Telling.NOTHING)
    assert told[4:6] == (Telling.WHOLE, Telling.WHOLE)
