"""Ways to each stage of vetting, for tests that begin there."""

from collections.abc import Awaitable, Callable

from domain.vetting import ProbationDecision, ReviewDecision
from tests.support.vetting import Case

Arrive = Callable[[Case], Awaitable[None]]


async def under_review(case: Case) -> None:
    await case.submit()


async def under_second_review(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0])


async def under_lead_review(case: Case) -> None:
    await under_second_review(case)
    await case.review(case.community.reviewers[1], ReviewDecision.REJECT)


async def changing(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0], ReviewDecision.REQUEST_CHANGES)


async def voting(case: Case) -> None:
    await case.submit()
    await case.approve()
    await case.roll_mailed()


async def voting_longer(case: Case) -> None:
    await voting(case)
    await case.skip(days=7, seconds=1)


async def on_probation(case: Case) -> None:
    await voting(case)
    await case.pass_vote()


async def probation_to_decide(case: Case) -> None:
    await on_probation(case)
    await case.confirm_violation()


async def on_longer_probation(case: Case) -> None:
    await probation_to_decide(case)
    await case.decide_probation(ProbationDecision.EXTEND, note_id=await case.note())


async def rejected(case: Case) -> None:
    await case.submit()
    await case.reject()


async def lost_vote(case: Case) -> None:
    await voting(case)
    await case.vote(no=7)
    await case.skip(days=7, seconds=1)


async def failed_probation(case: Case) -> None:
    await probation_to_decide(case)
    await case.decide_probation(ProbationDecision.FAIL)


async def appealed(case: Case) -> None:
    await rejected(case)
    await case.appeal()


async def appealed_vote(case: Case) -> None:
    await lost_vote(case)
    await case.appeal()


async def appealed_probation(case: Case) -> None:
    await failed_probation(case)
    await case.appeal()
