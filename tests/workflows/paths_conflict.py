"""The paths on which a reviewer steps aside after having given an opinion."""

from domain.vetting import Refusal, ReviewDecision, Stage, Status, WaitingOn
from tests.support.vetting import Case, refused
from tests.workflows.paths import LEAD, RECEIVED, REJECTED, SECOND, mails, path

REJECT = ReviewDecision.REJECT


@path(
    Status.REJECTED,
    RECEIVED + mails(staff_review_needed=3) + SECOND + LEAD + mails(staff_second_review_needed=3) + REJECTED,
    "staff_review_needed",
    "staff_second_review_needed",
)
async def opinion_dropped_for_a_conflict(case: Case) -> None:
    first, second, third = case.community.reviewers
    await case.submit()
    await case.review(first)
    alone = await case.declare_conflict(first)
    assert (alone.stage, alone.waiting_on) == (Stage.FIRST_REVIEW, WaitingOn.REVIEWER)
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.review(first)
    assert (await case.review(second, REJECT)).stage is Stage.SECOND_REVIEW
    assert (await case.review(third)).stage is Stage.LEAD_REVIEW
    back = await case.declare_conflict(third)
    assert (back.stage, back.waiting_on) == (Stage.SECOND_REVIEW, WaitingOn.SECOND_REVIEWER)
    ended = await case.review(case.community.lead, REJECT, is_lead=True)
    assert (ended.status, ended.stage) == (Status.REJECTED, Stage.APPEAL_WINDOW)
    assert (await case.codes()).count("opinion_dropped") == 2
    await case.skip(days=14, seconds=1)
