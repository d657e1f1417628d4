"""The paths that are decided by the members' vote, in probation or on appeal."""

import pytest
from temporalio.service import RPCError

from domain.vetting import (
    AppealDecision,
    IfNothing,
    ProbationDecision,
    Refusal,
    Stage,
    Status,
    WaitingOn,
)
from tests.support.community import ROLL
from tests.support.vetting import Case, refused
from tests.workflows.paths import (
    CERTIFIED,
    EXTENDED_VOTE,
    FAILED,
    JUDGED,
    MIDTERM,
    RECEIVED,
    REJECTED,
    ROLL_MAIL,
    SECOND,
    TRIAL,
    VOTE,
    WITHDRAWN,
    mails,
    path,
)

PASS, EXTEND, FAIL = ProbationDecision.PASS, ProbationDecision.EXTEND, ProbationDecision.FAIL
OVERTURN, UPHOLD = AppealDecision.OVERTURN, AppealDecision.UPHOLD
WINDOW = {"days": 7, "seconds": 2}


async def _to_vote(case: Case) -> None:
    await case.submit()
    await case.approve()
    await case.roll_mailed()


async def _lose_vote(case: Case, **votes: int) -> None:
    await _to_vote(case)
    await case.vote(**votes)
    lost = await case.skip(**WINDOW)
    assert (lost.status, lost.stage) == (Status.REJECTED, Stage.APPEAL_WINDOW)


async def _to_probation(case: Case) -> None:
    await _to_vote(case)
    started = await case.pass_vote()
    assert started.stage is Stage.PROBATION


async def _to_decision(case: Case, days: int, recommendation: ProbationDecision) -> None:
    due = await case.skip(days=days, seconds=5)
    assert due.stage is Stage.PROBATION_DECISION
    assert (await case.row())["recommendation"] == recommendation.value


@path(Status.REJECTED, VOTE + mails(ballot_reminder=ROLL - 10) + REJECTED)
async def vote_failed(case: Case) -> None:
    await _lose_vote(case, yes=5, no=5)
    assert (await case.row())["reasons"] == ["vote_failed"]
    assert (await case.ballots())[0]["outcome"] == "failed"
    await case.skip(days=14, seconds=2)


@path(Status.REJECTED, VOTE + mails(ballot_reminder=ROLL - 6) + REJECTED)
async def vote_only_abstentions(case: Case) -> None:
    await _lose_vote(case, abstain=6)
    assert (await case.row())["reasons"] == ["vote_failed"]
    await case.skip(days=14, seconds=2)


@path(Status.WITHDRAWN, VOTE + mails(ballot_reminder=ROLL - 5, vote_passed_probation_started=1) + WITHDRAWN)
async def vote_at_exactly_sixty_percent(case: Case) -> None:
    await _to_vote(case)
    await case.vote(yes=3, no=2)
    trial = await case.skip(**WINDOW)
    assert trial.stage is Stage.PROBATION
    await case.withdraw()
    assert await case.roles() == set()


@path(
    Status.REJECTED,
    VOTE + EXTENDED_VOTE + mails(ballot_extended=ROLL - 4, ballot_reminder=2 * (ROLL - 4)) + REJECTED,
    "ballot_reminder",
)
async def vote_without_quorum_twice(case: Case) -> None:
    await _to_vote(case)
    await case.vote(yes=4)
    extended = await case.skip(**WINDOW)
    assert (extended.stage, extended.waiting_on) == (Stage.VOTING_EXTENDED, WaitingOn.MEMBERS)
    ballot = (await case.ballots())[0]
    assert (ballot["closes_at"] - ballot["opens_at"]).days == 10
    lost = await case.skip(days=3)
    assert lost.stage is Stage.APPEAL_WINDOW
    assert (await case.row())["reasons"] == ["no_quorum"]
    await case.skip(days=14, seconds=2)


@path(
    Status.WITHDRAWN,
    VOTE
    + EXTENDED_VOTE
    + mails(ballot_extended=ROLL - 4, ballot_reminder=(ROLL - 4) + (ROLL - 6))
    + mails(vote_passed_probation_started=1)
    + WITHDRAWN,
    "ballot_reminder",
)
async def vote_extended_then_passed(case: Case) -> None:
    await _to_vote(case)
    await case.vote(yes=4)
    await case.skip(**WINDOW)
    await case.vote(yes=2, skip=4)
    trial = await case.skip(days=3)
    assert trial.stage is Stage.PROBATION
    await case.withdraw()


@path(
    Status.WITHDRAWN,
    VOTE + EXTENDED_VOTE + mails(ballot_extended=ROLL, ballot_reminder=ROLL) + WITHDRAWN,
)
async def withdrawn_in_extended_vote(case: Case) -> None:
    await _to_vote(case)
    await case.skip(**WINDOW)
    await case.roll_mailed("ballot_extended")
    await case.withdraw()
    assert (await case.ballots())[0]["status"] == "cancelled"


@path(Status.WITHDRAWN, VOTE + WITHDRAWN)
async def withdrawn_in_vote(case: Case) -> None:
    await _to_vote(case)
    await case.vote(yes=7)
    await case.withdraw()
    ballot = (await case.ballots())[0]
    assert (ballot["status"], ballot["outcome"]) == ("cancelled", None)


@path(
    Status.CERTIFIED,
    TRIAL + MIDTERM + JUDGED + mails(probation_extended=1) + JUDGED + CERTIFIED,
    "probation_under_review",
    "staff_probation_decision",
)
async def probation_extended_then_passed(case: Case) -> None:
    await _to_probation(case)
    await _to_decision(case, 14, EXTEND)
    extended = await case.decide_probation(EXTEND)
    assert (extended.stage, extended.waiting_on) == (Stage.PROBATION_EXTENDED, WaitingOn.APPLICANT)
    assert set((await case.mails("probation_extended"))[0]["data"]["missed"]) == {"steady_output", "rating"}
    await case.good_probation(days=7)
    await _to_decision(case, 7, PASS)
    async with refused(Refusal.ALREADY_EXTENDED):
        await case.decide_probation(EXTEND, note_id=await case.note())
    await case.decide_probation(PASS)
    assert await case.roles() == {"leader"}


@path(
    Status.ORDINARY_CREATOR,
    TRIAL + MIDTERM + JUDGED + mails(probation_extended=1) + JUDGED + FAILED,
    "probation_under_review",
    "staff_probation_decision",
)
async def probation_extended_then_failed(case: Case) -> None:
    await _to_probation(case)
    await _to_decision(case, 14, EXTEND)
    await case.decide_probation(EXTEND)
    await _to_decision(case, 7, FAIL)
    async with refused(Refusal.NOTE_REQUIRED):
        await case.decide_probation(PASS)
    failed = await case.decide_probation(FAIL)
    assert (failed.status, failed.stage) == (Status.ORDINARY_CREATOR, Stage.APPEAL_WINDOW)
    assert (await case.row())["reasons"] == ["targets_missed"]
    assert await case.roles() == set()
    await case.skip(days=14, seconds=2)


@path(Status.ORDINARY_CREATOR, TRIAL + JUDGED + FAILED)
async def violation_then_failed(case: Case) -> None:
    await _to_probation(case)
    judged = await case.confirm_violation()
    assert (judged.stage, judged.waiting_on) == (Stage.PROBATION_DECISION, WaitingOn.STAFF)
    assert (await case.row())["recommendation"] == "fail"
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.decide_probation(FAIL, case.applicant)
    await case.decide_probation(FAIL)
    assert (await case.row())["reasons"] == ["confirmed_violation"]
    await case.skip(days=14, seconds=2)


@path(
    Status.WITHDRAWN,
    TRIAL + JUDGED + mails(staff_probation_reminder=4 + 1 + 1, probation_extended=1) + WITHDRAWN,
    "staff_probation_reminder",
)
async def violation_then_extended(case: Case) -> None:
    await _to_probation(case)
    await case.confirm_violation()
    await case.skip(days=10, seconds=2)
    assert (await case.codes())[-3:] == ["staff_reminded", "escalated", "escalated"]
    async with refused(Refusal.NOTE_REQUIRED):
        await case.decide_probation(EXTEND)
    extended = await case.decide_probation(EXTEND, note_id=await case.note())
    assert extended.stage is Stage.PROBATION_EXTENDED
    assert (await case.entries("probation_extend"))[0]["note_id"] is not None
    await case.withdraw()
    assert await case.roles() == set()


@path(Status.WITHDRAWN, TRIAL + JUDGED + WITHDRAWN)
async def withdrawn_in_probation_decision(case: Case) -> None:
    await _to_probation(case)
    await case.confirm_violation()
    await case.withdraw()


# Two decided before: two of the four who review are asked to judge the appeal.
APPEAL = mails(appeal_received=1, staff_appeal=2)


@path(Status.REJECTED, RECEIVED + SECOND + REJECTED + APPEAL + mails(appeal_upheld=1))
async def appeal_upheld(case: Case) -> None:
    await case.submit()
    await case.reject()
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.appeal(case.community.admin)
    heard = await case.appeal()
    assert (heard.stage, heard.waiting_on) == (Stage.APPEAL_REVIEW, WaitingOn.STAFF)
    async with refused(Refusal.DECIDED_BEFORE):
        await case.decide_appeal(UPHOLD, case.community.reviewers[0])
    async with refused(Refusal.APPEAL_USED):
        await case.appeal()
    closed = await case.decide_appeal(UPHOLD)
    assert (closed.status, closed.stage) == (Status.REJECTED, Stage.CLOSED)


@path(
    Status.REJECTED,
    RECEIVED
    + SECOND
    + REJECTED
    + APPEAL
    + mails(appeal_overturned=1, staff_review_needed=4)
    + SECOND
    + REJECTED,
    "staff_review_needed",
    "staff_second_review_needed",
    "application_rejected",
)
async def appeal_overturned_in_review(case: Case) -> None:
    await case.submit()
    await case.reject()
    await case.appeal()
    back = await case.decide_appeal(OVERTURN)
    assert (back.status, back.stage, back.round) == (Status.CREDENTIAL_REVIEW, Stage.FIRST_REVIEW, 2)
    row = await case.row()
    assert (row["reasons"], row["ended_at"], row["reapply_after"], row["appeal_until"]) == (
        [],
        None,
        None,
        None,
    )
    lost = await case.reject()
    assert (lost.status, lost.stage) == (Status.REJECTED, Stage.CLOSED)
    assert (await case.row())["appeal_until"] is None


@path(
    Status.WITHDRAWN,
    VOTE
    + REJECTED
    + APPEAL
    + mails(appeal_overturned=1, ballot_reminder=2 * ROLL - 17)
    + ROLL_MAIL
    + mails(vote_passed_probation_started=1)
    + WITHDRAWN,
    "review_passed_vote_opened",
    "ballot_opened",
    "ballot_reminder",
)
async def appeal_overturned_in_vote(case: Case) -> None:
    await _lose_vote(case, no=10)
    await case.appeal()
    back = await case.decide_appeal(OVERTURN)
    assert (back.status, back.stage) == (Status.MEMBER_VOTE, Stage.VOTING)
    first, second = await case.ballots()
    assert (first["status"], second["status"], second["id"]) == ("closed", "open", back.ballot_id)
    trial = await case.pass_vote()
    assert trial.stage is Stage.PROBATION
    await case.withdraw()


@path(
    Status.CERTIFIED,
    # Three decided before: the lead alone judges the appeal.
    TRIAL
    + JUDGED
    + FAILED
    + mails(appeal_received=1, staff_appeal=1, appeal_overturned=1, probation_extended=1)
    + JUDGED
    + CERTIFIED,
    "probation_under_review",
    "staff_probation_decision",
)
async def appeal_overturned_in_probation(case: Case) -> None:
    await _to_probation(case)
    await case.confirm_violation()
    await case.decide_probation(FAIL)
    await case.appeal()
    back = await case.decide_appeal(OVERTURN)
    assert (back.status, back.stage) == (Status.PROBATION, Stage.PROBATION_EXTENDED)
    assert await case.roles() == {"provisional_leader"}
    await case.good_probation(days=7)
    await _to_decision(case, 7, PASS)
    await case.decide_probation(PASS)


@path(
    Status.REJECTED,
    RECEIVED
    + SECOND
    + REJECTED
    + APPEAL
    + mails(staff_appeal_reminder=2, staff_appeal_overdue=2, appeal_withdrawn=1),
    "staff_appeal_overdue",
)
async def appeal_overdue_then_withdrawn(case: Case) -> None:
    await case.submit()
    await case.reject()
    await case.appeal()
    late = await case.skip(days=14, seconds=2)
    assert (late.stage, late.if_nothing_happens) == (Stage.APPEAL_REVIEW, IfNothing.STAFF_REMINDED)
    assert (await case.codes())[-3:] == ["staff_reminded", "appeal_overdue", "appeal_overdue"]
    closed = await case.withdraw()
    assert (closed.status, closed.stage) == (Status.REJECTED, Stage.CLOSED)
    assert (await case.row())["reapply_after"] is not None


@path(Status.REJECTED, RECEIVED + SECOND + REJECTED)
async def appeal_after_the_window(case: Case) -> None:
    await case.submit()
    await case.reject()
    async with refused(Refusal.NOT_OPEN):
        await case.withdraw()
    await case.skip(days=14, seconds=2)
    assert (await case.status()).stage is Stage.CLOSED
    with pytest.raises(RPCError, match="completed"):
        await case.appeal()
