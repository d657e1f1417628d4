"""The paths that are decided in credential review."""

from domain.policy import VettingPolicy
from domain.vetting import (
    IfNothing,
    ProbationDecision,
    Refusal,
    ReviewDecision,
    Stage,
    Status,
    WaitingOn,
)
from tests.support.vetting import Case, refused
from tests.workflows.paths import (
    CERTIFIED,
    JUDGED,
    LEAD,
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

CHANGES, REJECT = ReviewDecision.REQUEST_CHANGES, ReviewDecision.REJECT


@path(Status.CERTIFIED, TRIAL + MIDTERM + JUDGED + CERTIFIED, policy=VettingPolicy())
async def approved_straight(case: Case) -> None:
    submitted = await case.submit()
    assert (submitted.status, submitted.stage) == (Status.CREDENTIAL_REVIEW, Stage.FIRST_REVIEW)
    second = await case.review(case.community.reviewers[0])
    assert (second.stage, second.waiting_on) == (Stage.SECOND_REVIEW, WaitingOn.SECOND_REVIEWER)
    voting = await case.review(case.community.reviewers[1])
    assert (voting.status, voting.waiting_on) == (Status.MEMBER_VOTE, WaitingOn.MEMBERS)
    assert voting.ballot_id == (await case.ballots())[0]["id"]
    trial = await case.pass_vote()
    assert (trial.status, trial.stage) == (Status.PROBATION, Stage.PROBATION)
    assert await case.roles() == {"provisional_leader"}
    await case.good_probation()
    due = await case.skip(days=60, seconds=5)
    assert (due.stage, due.waiting_on) == (Stage.PROBATION_DECISION, WaitingOn.STAFF)
    assert (await case.row())["recommendation"] == "pass"
    certified = await case.decide_probation(ProbationDecision.PASS)
    assert (certified.stage, certified.waiting_on) == (Stage.CLOSED, WaitingOn.NOBODY)
    assert await case.roles() == {"leader"}
    assert (await case.codes()).count("week_evaluated") == 8


@path(
    Status.CERTIFIED,
    mails(changes_requested=1, changes_received=1, staff_review_needed=4)
    + TRIAL
    + MIDTERM
    + JUDGED
    + CERTIFIED,
    "staff_review_needed",
)
async def changes_resubmitted_approved(case: Case) -> None:
    await case.submit()
    asked = await case.review(case.community.reviewers[0], CHANGES)
    assert (asked.stage, asked.waiting_on) == (Stage.CHANGES_REQUESTED, WaitingOn.APPLICANT)
    assert asked.if_nothing_happens is IfNothing.EXPIRES
    assert (await case.row())["reasons"] == ["credentials_unproven"]
    again = await case.resubmit()
    assert (again.stage, again.round) == (Stage.FIRST_REVIEW, 2)
    await case.approve()
    await case.pass_vote()
    await case.good_probation(days=14)
    await case.skip(days=14, seconds=5)
    await case.decide_probation(ProbationDecision.PASS)


@path(
    Status.EXPIRED,
    RECEIVED + mails(changes_requested=1, changes_reminder=2, application_expired=1),
    "changes_reminder",
)
async def expired(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0], CHANGES)
    ended = await case.skip(days=14, seconds=2)
    assert (ended.stage, ended.if_nothing_happens) == (Stage.CLOSED, IfNothing.NOTHING)
    assert (await case.codes())[-3:] == ["applicant_reminded", "applicant_reminded", "expired"]
    assert (await case.row())["reapply_after"] is None


@path(Status.REJECTED, RECEIVED + SECOND + REJECTED)
async def rejected_at_review(case: Case) -> None:
    await case.submit()
    lost = await case.reject()
    assert (lost.status, lost.stage) == (Status.REJECTED, Stage.APPEAL_WINDOW)
    row = await case.row()
    assert row["reasons"] == ["credentials_unproven"]
    assert (row["reapply_after"] - row["ended_at"]).days == 90
    assert (await case.mails("application_rejected"))[0]["data"]["reasons"] == ["credentials_unproven"]
    closed = await case.skip(days=14, seconds=2)
    assert (closed.status, closed.stage) == (Status.REJECTED, Stage.CLOSED)
    assert (await case.codes())[-1] == "appeal_window_closed"


async def _disagree(case: Case) -> None:
    reviewers = case.community.reviewers
    await case.submit()
    await case.review(reviewers[0])
    lead = await case.review(reviewers[1], REJECT)
    assert (lead.stage, lead.waiting_on) == (Stage.LEAD_REVIEW, WaitingOn.LEAD_REVIEWER)
    async with refused(Refusal.LEAD_REQUIRED):
        await case.review(reviewers[2])


@path(Status.WITHDRAWN, VOTE + LEAD + WITHDRAWN)
async def disagreed_lead_approves(case: Case) -> None:
    await _disagree(case)
    voting = await case.review(case.community.lead, is_lead=True)
    assert voting.stage is Stage.VOTING
    await case.roll_mailed()
    await case.withdraw()


@path(Status.REJECTED, RECEIVED + SECOND + LEAD + REJECTED)
async def disagreed_lead_rejects(case: Case) -> None:
    await _disagree(case)
    lost = await case.review(case.community.lead, REJECT, is_lead=True)
    assert lost.stage is Stage.APPEAL_WINDOW
    await case.skip(days=14, seconds=2)


# The lead gave an opinion already, so the administrator is asked to find somebody.
@path(Status.REJECTED, RECEIVED + SECOND + LEAD + REJECTED)
async def lead_who_decided_is_refused(case: Case) -> None:
    here = case.community
    await case.submit()
    await case.review(here.lead, is_lead=True)
    await case.review(here.reviewers[0], REJECT)
    async with refused(Refusal.ALREADY_DECIDED):
        await case.review(here.lead, is_lead=True)
    assert [mail["person_id"] for mail in await case.mails("staff_lead_needed")] == [here.admin]
    await case.review(here.admin, REJECT, is_lead=True)
    await case.skip(days=14, seconds=2)


@path(Status.WITHDRAWN, VOTE + LEAD + WITHDRAWN)
async def approvals_do_not_overlap(case: Case) -> None:
    here = case.community
    await case.submit()
    await case.review(here.reviewers[0], verified=case.claims[:1])
    lead = await case.review(here.reviewers[1], verified=case.claims[1:])
    assert lead.stage is Stage.LEAD_REVIEW
    assert "review_passed" not in await case.codes()
    voting = await case.review(here.lead, is_lead=True, verified=case.claims[1:])
    assert voting.stage is Stage.VOTING
    await case.roll_mailed()
    await case.withdraw()


@path(
    Status.WITHDRAWN,
    # Asked at first and second review, reminded at 3 and 13 days, escalated twice, the lead reminded twice.
    RECEIVED + SECOND + mails(staff_review_reminder=4 + 2 + 3, staff_lead_needed=2) + ROLL_MAIL + WITHDRAWN,
    "staff_review_reminder",
    "staff_lead_needed",
)
async def silent_reviewers(case: Case) -> None:
    here = case.community
    await case.submit()
    await case.claim(here.reviewers[2])
    await case.release(here.reviewers[2])
    reminded = await case.skip(days=3, seconds=2)
    assert reminded.if_nothing_happens is IfNothing.ESCALATED_TO_LEAD
    await case.claim(here.reviewers[2])
    escalated = await case.skip(days=2)
    assert (escalated.waiting_on, escalated.claimed_by) == (WaitingOn.LEAD_REVIEWER, None)
    assert (await case.row())["escalated"] is True
    assert escalated.if_nothing_happens is IfNothing.LEAD_REMINDED
    await case.skip(days=10)
    assert (await case.codes()).count("staff_reminded") == 3
    await case.review(here.reviewers[0])
    assert (await case.row())["escalated"] is False
    await case.skip(days=5, seconds=2)
    await case.review(here.reviewers[1])
    await case.roll_mailed()
    await case.withdraw()


@path(Status.WITHDRAWN, RECEIVED + WITHDRAWN)
async def withdrawn_in_first_review(case: Case) -> None:
    await case.submit()
    await case.claim(case.community.reviewers[0])
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.withdraw(case.community.admin)
    closed = await case.withdraw()
    assert (closed.stage, closed.claimed_by) == (Stage.CLOSED, None)


@path(Status.WITHDRAWN, RECEIVED + SECOND + WITHDRAWN)
async def withdrawn_in_second_review(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0])
    await case.withdraw()


@path(Status.WITHDRAWN, RECEIVED + SECOND + LEAD + WITHDRAWN)
async def withdrawn_in_lead_review(case: Case) -> None:
    await _disagree(case)
    await case.withdraw()


@path(Status.WITHDRAWN, RECEIVED + mails(changes_requested=1) + WITHDRAWN)
async def withdrawn_while_changing(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0], CHANGES)
    await case.withdraw()
