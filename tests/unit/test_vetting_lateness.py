"""After an outage of all workers: what is past is told once, and what it changes is still done."""

from datetime import datetime, timedelta

import pytest

from domain.mail import MailTemplate
from domain.policy import VettingPolicy
from domain.vetting import ReasonCode, ReviewDecision, Stage, ends, process, review, trial, vote
from domain.vetting.review import Review
from domain.vetting.state import AlarmKind, Effects, VettingState
from tests.unit.test_vetting_process import APPLICANT, START

DAY = timedelta(days=1)


def in_review() -> VettingState:
    state = VettingState(application_id="a", person_id=APPLICANT, policy=VettingPolicy(), policy_version=1)
    review.submit(state, APPLICANT, START)
    return state


def wake(state: VettingState, now: datetime, *, late: bool = True) -> list[MailTemplate]:
    """Ring everything that is due at ``now``; return the templates of the mails, in order."""
    sent: list[MailTemplate] = []
    while (alarm := state.next_alarm) is not None and alarm.at <= now:
        effects = process.ring(state, alarm, now, late=late)
        sent += [mail.template for mail in effects.mails]
    return sent


def test_a_silent_review_is_escalated_once_however_long_nobody_worked() -> None:
    state = in_review()
    assert wake(state, START + 100 * DAY) == [MailTemplate.STAFF_LEAD_NEEDED]
    assert state.escalated
    assert [(alarm.kind, alarm.at) for alarm in state.alarms] == [
        (AlarmKind.LEAD_REMINDER, START + 105 * DAY)
    ]
    assert wake(state, START + 105 * DAY, late=False) == [MailTemplate.STAFF_REVIEW_REMINDER]


def test_a_reminder_that_nothing_overtook_is_sent() -> None:
    state = in_review()
    assert wake(state, START + 4 * DAY) == [MailTemplate.STAFF_REVIEW_REMINDER]
    assert not state.escalated


def test_leads_are_reminded_once_and_then_in_their_rhythm() -> None:
    state = in_review()
    wake(state, START + 5 * DAY, late=False)
    assert wake(state, START + 27 * DAY) == [MailTemplate.STAFF_REVIEW_REMINDER]
    assert [alarm.at for alarm in state.alarms] == [START + 30 * DAY]


@pytest.mark.parametrize(
    ("days", "sent"),
    [
        (8, [MailTemplate.CHANGES_REMINDER]),
        (13, [MailTemplate.CHANGES_REMINDER]),
        (20, [MailTemplate.APPLICATION_EXPIRED]),
    ],
)
def test_the_applicant_is_not_reminded_of_what_is_over(days: int, sent: list[MailTemplate]) -> None:
    state = in_review()
    asked = Review(
        reviewer_id="ann", decision=ReviewDecision.REQUEST_CHANGES, reasons=(ReasonCode.INCOMPLETE,)
    )
    review.review(state, asked, START)
    assert wake(state, START + days * DAY) == sent


def test_voters_are_not_reminded_of_a_vote_that_has_closed() -> None:
    state = in_review()
    vote.begin(state, START)
    assert state.ballot is not None
    vote.opened(state, state.ballot.id, START, START + 7 * DAY, 20, START)
    assert wake(state, START + 9 * DAY) == []
    assert [order.kind.value for order in state.orders] == ["open_ballot", "mail_roll", "count_ballot"]


def test_every_week_of_probation_is_evaluated_without_a_midterm_after_the_end() -> None:
    state = in_review()
    trial.begin(state, Effects(), START)
    wake(state, START + 90 * DAY)
    kinds = [(order.kind.value, order.why) for order in state.orders]
    assert kinds == [("evaluate_week", None)] * 8 + [("judge_probation", "ended")]


def test_an_appeal_that_nobody_decided_is_overdue_once() -> None:
    state = in_review()
    ends.reject(state, Effects(), (ReasonCode.OTHER,), START)
    ends.appeal(state, APPLICANT, "n", START)
    assert wake(state, START + 60 * DAY) == [MailTemplate.STAFF_APPEAL_OVERDUE]
    assert [alarm.at for alarm in state.alarms] == [START + 63 * DAY]
    assert state.stage is Stage.APPEAL_REVIEW


def test_processes_of_the_first_days_ring_as_they_did() -> None:
    state = in_review()
    assert len(wake(state, START + 27 * DAY, late=False)) == 6
