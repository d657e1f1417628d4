"""Two things at once: one wins, never both, and what is written tells one story."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from contracts.vetting import StatusView
from db.database import Database
from domain.vetting import ProbationDecision, ReviewDecision, Stage, Status
from tests.support.community import Community
from tests.support.held import inserts_failing, writes_held
from tests.support.vetting import Case, new_case
from worker import vetting_worker

CHANGES, REJECT = ReviewDecision.REQUEST_CHANGES, ReviewDecision.REJECT
# Long enough for a message to reach the process, and for a timer to fire, while the database waits.
A_MOMENT = 0.4


async def settled(*acts: Awaitable[Any]) -> list[bool]:
    """Run ``acts`` at once; tell which were not refused."""
    answers = await asyncio.gather(*acts, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            assert isinstance(answer, WorkflowUpdateFailedError | RPCError), answer
    return [not isinstance(answer, BaseException) for answer in answers]


async def one_story(case: Case) -> list[str]:
    """Assert that process and projection agree and that the timeline has no gap; return its codes."""
    await case.agrees()
    numbers = [entry["seq"] for entry in await case.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    return await case.codes()


async def test_two_reviewers_at_once_are_a_first_and_a_second(sqlite_url: str, case: Case) -> None:
    await case.submit()
    async with writes_held(sqlite_url):
        both = asyncio.create_task(settled(*(case.review(r) for r in case.community.reviewers[:2])))
        await asyncio.sleep(A_MOMENT)
    assert await both == [True, True]
    codes = await one_story(case)
    assert codes.count("review_approve") == 2
    assert codes.count("review_passed") == 1
    assert len(await case.ballots()) == 1


async def test_three_reviewers_at_once_are_never_three(case: Case) -> None:
    await case.submit()
    won = await settled(*(case.review(r, REJECT) for r in case.community.reviewers))
    assert sorted(won) == [False, True, True]
    assert (await one_story(case)).count("rejected") == 1


async def test_one_reviewer_twice_at_once_is_one_opinion(sqlite_url: str, case: Case) -> None:
    await case.submit()
    reviewer = case.community.reviewers[0]
    async with writes_held(sqlite_url):
        both = asyncio.create_task(settled(case.review(reviewer), case.review(reviewer)))
        await asyncio.sleep(A_MOMENT)
    assert sorted(await both) == [False, True]
    assert (await one_story(case)).count("review_approve") == 1


async def test_two_claims_at_once_are_one_hold(case: Case) -> None:
    await case.submit()
    reviewers = case.community.reviewers[:2]
    won = await settled(*(case.claim(reviewer) for reviewer in reviewers))
    assert sorted(won) == [False, True]
    assert (await case.status()).claimed_by == reviewers[won.index(True)]
    assert (await one_story(case)).count("claimed") == 1


async def test_the_same_update_id_has_one_effect_and_one_answer(case: Case) -> None:
    await case.submit()
    reviewer = case.community.reviewers[0]
    answers = await asyncio.gather(*(case.review(reviewer, update_id="once") for _ in range(4)))
    assert {answer.revision for answer in answers} == {2}
    assert await case.review(reviewer, update_id="once") == answers[0]
    assert (await one_story(case)).count("review_approve") == 1


async def test_submit_sent_many_times_at_once_starts_once(case: Case) -> None:
    answers = await asyncio.gather(*(case.submit(update_id="key") for _ in range(5)))
    assert {answer.revision for answer in answers} == {1}
    assert await one_story(case) == ["submitted"]
    runs = [e async for e in case.community.client.list_workflows(f"WorkflowId = '{case.process_id}'")]
    assert len(runs) <= 1
    assert (await case.mail_table())["application_received"] == 1


async def test_a_refused_submission_does_not_end_the_one_behind_it(
    sqlite_url: str, temporal_client: Client, task_queue: str
) -> None:
    """Both wait for a worker, so that one task takes them: the second must find its process alive."""
    async with Database.connect(sqlite_url) as db:
        here = Community(db, temporal_client, task_queue)
        await here.populate()
        case = await new_case(here)
        stale = asyncio.create_task(settled(case.submit(edit_version=99)))
        await asyncio.sleep(A_MOMENT)
        good = asyncio.create_task(settled(case.submit(edit_version=1)))
        await asyncio.sleep(A_MOMENT)
        async with vetting_worker(temporal_client, db, task_queue):
            assert (await stale, await good) == ([False], [True])
            assert (await case.claim(here.reviewers[0])).stage is Stage.FIRST_REVIEW
            assert await one_story(case) == ["submitted", "claimed"]


async def until_just_before(case: Case, due: datetime, seconds: float) -> None:
    """Go to shortly before ``due`` by skipping, and the last moment by waiting."""
    await case.skip_to(due - timedelta(seconds=seconds + 1))
    await asyncio.sleep(max(0.0, (due - await case.now()).total_seconds() - seconds))


async def changes_asked(case: Case) -> datetime:
    """Ask for changes; return when the application expires."""
    await case.submit()
    asked: StatusView = await case.review(case.community.reviewers[0], CHANGES)
    assert asked.next_deadline is not None
    return asked.next_deadline


async def test_an_answer_that_came_before_the_deadline_wins(sqlite_url: str, case: Case) -> None:
    due = await changes_asked(case)
    await until_just_before(case, due, 0.3)
    async with writes_held(sqlite_url):
        answer = asyncio.create_task(settled(case.resubmit()))
        await asyncio.sleep(0.3 + A_MOMENT)
    assert await answer == [True]
    codes = await one_story(case)
    assert (await case.status()).stage is Stage.FIRST_REVIEW
    assert "expired" not in codes
    assert codes.count("resubmitted") == 1


async def test_a_deadline_that_came_before_the_answer_wins(sqlite_url: str, case: Case) -> None:
    due = await changes_asked(case)
    await until_just_before(case, due, 0.3)
    async with writes_held(sqlite_url):
        await asyncio.sleep(0.3 + A_MOMENT)
        answer = asyncio.create_task(settled(case.resubmit()))
        await asyncio.sleep(A_MOMENT)
    assert await answer == [False]
    codes = await one_story(case)
    assert codes[-1] == "expired"
    assert "resubmitted" not in codes
    assert (await case.mail_table())["application_expired"] == 1


async def test_answers_around_the_deadline_win_or_lose_but_never_both(here: Community) -> None:
    async def once(offset: float) -> bool:
        case = await new_case(here, await here.person("late"))
        due = await changes_asked(case)
        await until_just_before(case, due, 0.1)
        await asyncio.sleep(max(0.0, (due - await case.now()).total_seconds() + offset))
        won = (await settled(case.resubmit()))[0]
        if not won:
            assert (await case.handle.result()).status is Status.EXPIRED
        codes = await one_story(case)
        assert ("resubmitted" in codes, "expired" in codes) == (won, not won)
        return won

    await asyncio.gather(*(once(offset / 100) for offset in range(-10, 10, 2)))


@pytest.mark.parametrize("first", ["withdrawal", "count"])
async def test_withdrawing_at_closing_time(sqlite_url: str, case: Case, first: str) -> None:
    await case.submit()
    await case.approve()
    await case.roll_mailed()
    await case.vote(no=6)
    await case.skip(days=6, hours=1)
    due = (await case.status()).next_deadline
    assert due is not None
    await until_just_before(case, due, 0.3)
    async with writes_held(sqlite_url):
        await asyncio.sleep(0.0 if first == "withdrawal" else 0.3 + A_MOMENT)
        withdrawal = asyncio.create_task(settled(case.withdraw()))
        await asyncio.sleep(0.3 + A_MOMENT)
    won = (await withdrawal)[0]
    await case.skip(minutes=1) if not won else await case.handle.result()
    codes = await one_story(case)
    status = (await case.status()).status
    assert status is (Status.WITHDRAWN if won else Status.REJECTED)
    assert ("withdrawn" in codes, "ballot_counted" in codes) == (won, not won)
    assert won or first == "count"
    assert (await case.ballots())[0]["status"] != "open"


async def test_withdrawing_while_the_roll_is_frozen_leaves_no_ballot(here: Community, case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0])
    async with inserts_failing(here, "ballots"):
        approval = asyncio.create_task(settled(case.review(case.community.reviewers[1])))
        await asyncio.sleep(A_MOMENT)
        # There is no ballot yet that the withdrawal could cancel; the opening comes after it.
        assert await settled(case.withdraw()) == [True]
        assert await case.ballots() == []
    assert await approval == [True]
    assert (await case.handle.result()).status is Status.WITHDRAWN
    assert (await one_story(case))[-1] == "withdrawn"
    assert [ballot["status"] for ballot in await case.ballots()] == ["cancelled"]
    assert (await case.mail_table())["ballot_opened"] == 0


async def test_withdrawing_while_the_roll_is_mailed_stops_the_mail(sqlite_url: str, case: Case) -> None:
    await case.submit()
    await case.approve()
    async with writes_held(sqlite_url):
        withdrawal = asyncio.create_task(settled(case.withdraw()))
        await asyncio.sleep(A_MOMENT)
    assert await withdrawal == [True]
    assert (await case.handle.result()).status is Status.WITHDRAWN
    assert (await case.ballots())[0]["status"] == "cancelled"
    assert (await one_story(case))[-1] == "withdrawn"


async def test_a_decision_does_not_overtake_a_violation(case: Case) -> None:
    """Whoever decides must know of the violation: the advice changes first."""
    await case.submit()
    await case.approve()
    await case.pass_vote()
    await case.confirm_violation()
    note = await case.note()
    violation = asyncio.create_task(case.confirm_violation())
    decision = asyncio.create_task(settled(case.decide_probation(ProbationDecision.EXTEND, note_id=note)))
    await asyncio.gather(violation, decision)
    if not decision.result()[0]:
        await case.decide_probation(ProbationDecision.EXTEND, note_id=note)
    assert (await case.status()).stage in {Stage.PROBATION_EXTENDED, Stage.PROBATION_DECISION}
    await one_story(case)
    # Nothing may go on turning in the background.
    before = (await case.handle.describe()).history_length
    await asyncio.sleep(A_MOMENT)
    assert (await case.handle.describe()).history_length == before
