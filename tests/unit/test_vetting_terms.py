"""What the opinions of reviewers add up to, and when one may apply again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policy import VettingPolicy
from domain.vetting import (
    REVIEW_REASONS,
    Opinion,
    ReasonCode,
    ReviewDecision,
    ReviewResult,
    Status,
    agreed_claims,
    reapply_after,
    reasons_of,
    weigh,
)

A, R, C = ReviewDecision.APPROVE, ReviewDecision.REJECT, ReviewDecision.REQUEST_CHANGES
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def opinions(*decisions: ReviewDecision, lead: ReviewDecision | None = None) -> tuple[Opinion, ...]:
    given = tuple(Opinion(reviewer_id=f"r{n}", decision=decision) for n, decision in enumerate(decisions))
    return given if lead is None else (*given, Opinion(reviewer_id="lead", decision=lead, as_lead=True))


@pytest.mark.parametrize(
    ("given_opinions", "reviewers", "result"),
    [
        (opinions(), 2, ReviewResult.WAITING),
        (opinions(), 1, ReviewResult.WAITING),
        (opinions(A), 2, ReviewResult.WAITING),
        (opinions(R), 2, ReviewResult.WAITING),  # one alone does not reject either
        (opinions(A), 1, ReviewResult.APPROVED),
        (opinions(R), 1, ReviewResult.REJECTED),
        (opinions(A, A), 2, ReviewResult.APPROVED),
        (opinions(R, R), 2, ReviewResult.REJECTED),
        (opinions(A, R), 2, ReviewResult.DISAGREED),
        (opinions(R, A), 2, ReviewResult.DISAGREED),
        (opinions(C), 2, ReviewResult.CHANGES),
        (opinions(A, C), 2, ReviewResult.CHANGES),
        (opinions(A, R, lead=A), 2, ReviewResult.APPROVED),
        (opinions(A, R, lead=R), 2, ReviewResult.REJECTED),
        (opinions(A, R, lead=C), 2, ReviewResult.CHANGES),
        (opinions(A, A, lead=R), 2, ReviewResult.REJECTED),
        (opinions(lead=A), 2, ReviewResult.APPROVED),
    ],
)
def test_what_opinions_mean(given_opinions, reviewers, result):
    assert weigh(given_opinions, reviewers) is result


decisions = st.sampled_from([A, R])


@given(decisions, decisions)
def test_two_reviewers_decide_alike_in_either_order(first, second):
    assert weigh(opinions(first, second), 2) is weigh(opinions(second, first), 2)


@given(st.lists(decisions, max_size=2), st.sampled_from(list(ReviewDecision)))
def test_a_leads_decision_is_final(before, decision):
    expected = {A: ReviewResult.APPROVED, R: ReviewResult.REJECTED, C: ReviewResult.CHANGES}[decision]
    assert weigh(opinions(*before, lead=decision), 2) is expected


def verified(reviewer: str, *claims: str, decision: ReviewDecision = A, lead: bool = False) -> Opinion:
    return Opinion(reviewer_id=reviewer, decision=decision, verified_claims=claims, as_lead=lead)


def test_a_claim_holds_if_everybody_who_approves_verified_it():
    assert agreed_claims((verified("a", "x", "y"), verified("b", "z", "y"))) == ("y",)
    assert agreed_claims((verified("a", "x"), verified("b", "y"))) == ()
    assert agreed_claims((verified("a", "b", "a"),)) == ("a", "b")
    assert agreed_claims(()) == ()


def test_a_leads_view_of_the_claims_stands_alone():
    asked = (verified("a", "x"), verified("b", decision=R), verified("lead", "y", "x", lead=True))
    assert agreed_claims(asked) == ("x", "y")


def test_who_rejects_has_no_say_in_the_claims():
    assert agreed_claims((verified("a", "x"), verified("b", "y", decision=R))) == ("x",)


def test_reasons_are_those_of_who_rejected_each_once_in_order():
    def rejecting(*reasons: ReasonCode, decision: ReviewDecision = R) -> Opinion:
        return Opinion(reviewer_id="r", decision=decision, reasons=reasons)

    fraud, other, weak = ReasonCode.FRAUD, ReasonCode.OTHER, ReasonCode.CONTENT_SAMPLE_WEAK
    given = (rejecting(fraud, other), rejecting(weak, decision=C), rejecting(other, weak))
    assert reasons_of(given) == (fraud, other, weak)
    assert reasons_of(opinions(A, A)) == ()


def test_reviewers_cannot_give_reasons_that_only_a_process_has():
    assert {
        ReasonCode.VOTE_FAILED,
        ReasonCode.NO_QUORUM,
        ReasonCode.TARGETS_MISSED,
        ReasonCode.CONFIRMED_VIOLATION,
    } == set(ReasonCode) - REVIEW_REASONS


@pytest.mark.parametrize("status", list(Status))
def test_a_rejection_and_a_failed_probation_cool_down_for_ninety_days(status: Status):
    cools = status in (Status.REJECTED, Status.ORDINARY_CREATOR)
    expected = NOW + timedelta(days=90) if cools else None
    assert reapply_after(status, NOW, VettingPolicy()) == expected
    assert not cools or reapply_after(status, NOW, VettingPolicy(cooldown_days=0)) == NOW


@pytest.mark.parametrize(("usual", "days"), [(0, 365), (90, 365), (400, 400)])
def test_fraud_never_comes_again_at_once(usual: int, days: int):
    policy = VettingPolicy(cooldown_days=usual)
    reasons = (ReasonCode.OTHER, ReasonCode.FRAUD)
    assert reapply_after(Status.REJECTED, NOW, policy, reasons) == NOW + timedelta(days=days)
