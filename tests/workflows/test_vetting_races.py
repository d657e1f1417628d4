"""Two things at once: one wins, never both, and what is written tells one story."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from contracts.vetting import StatusView
from db.database import Database
from db.repositories import clocks
from db.repositories.votes import Cast, CastVote
from db.tables.ballots import ballot_votes
from domain.ballots import Choice
from domain.vetting import ProbationDecision, ReviewDecision, Stage, Status
from tests.support.community import Community
from tests.support.held import inserts_failing, writes_held
from tests.support.vetting import Case, community, new_case, until
from tests.support.vetting_votes import cast
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


class AtClosingTime(NamedTuple):
    """A ballot shortly before its close, and when that is by the clock of this machine."""

    case: Case
    ballot_id: str
    closes_in: Callable[[], float]


async def at_closing_time(here: Community, *, on_time: bool) -> AtClosingTime:
    """Bring an application to the last seconds of its vote.

    ``on_time``: the ballot's own clock, which refuses votes before they are counted, goes with the process;
    otherwise it is behind, and nothing but the count closes the ballot.
    """
    case = await new_case(here, await here.person("candidate", joined_at=datetime.now(UTC)))
    await case.submit()
    await case.approve()
    await case.roll_mailed()
    due = (await case.ballots())[0]["closes_at"]
    await case.skip_to(due - timedelta(seconds=2))
    ahead = await case.now() - datetime.now(UTC)
    if on_time:
        await here.db.write(lambda conn: clocks.set_ahead(conn, case.process_id, ahead.total_seconds()))
    ballot_id = (await case.ballots())[0]["id"]
    return AtClosingTime(case, ballot_id, lambda: (due - ahead - datetime.now(UTC)).total_seconds())


async def votes_around(ballot: AtClosingTime, voters: list[str]) -> list[CastVote]:
    """Let each of ``voters`` vote for themselves, spread over the half second around the close."""

    async def one(number: int, voter: str) -> CastVote:
        offset = (number - len(voters) / 3) / 25
        await asyncio.sleep(max(0.0, ballot.closes_in() + offset))
        choice = Choice.NO if number % 3 == 0 else Choice.YES
        return (await cast(ballot.case, ballot.ballot_id, [voter], choice))[0]

    return await asyncio.gather(*(one(number, voter) for number, voter in enumerate(voters)))


async def counted(case: Case, stage: Stage) -> dict[str, Any]:
    """Wait until the process has counted and left this ``stage``; return its ballot."""

    async def decided() -> bool:
        return (await case.status()).stage is not stage

    await until(decided)
    await one_story(case)
    return (await case.ballots())[0]


async def kept_receipts(here: Community, ballot_id: str) -> set[str]:
    found = await here.rows(select(ballot_votes.c.receipt).where(ballot_votes.c.ballot_id == ballot_id))
    return {row["receipt"] for row in found}


@pytest.mark.parametrize("on_time", [True, False])
@pytest.mark.parametrize("early", [0, 5])
async def test_votes_at_closing_time_are_counted_or_refused(
    database_url: str, temporal_client: Client, task_queue: str, early: int, on_time: bool
) -> None:
    async with community(database_url, temporal_client, task_queue) as here:
        ballot = await at_closing_time(here, on_time=on_time)
        case, members = ballot.case, here.members
        in_time = await cast(case, ballot.ballot_id, members[:early], Choice.YES)
        at_close = await votes_around(ballot, members[early:])
        closed = await counted(case, Stage.VOTING)
        done = [*in_time, *at_close]
        accepted = {one.receipt for one in done if one.outcome is Cast.COUNTED}
        assert {one.outcome for one in done} <= {Cast.COUNTED, Cast.CLOSED}
        assert await kept_receipts(here, ballot.ballot_id) == accepted
        assert len(accepted) == sum(one.outcome is Cast.COUNTED for one in done)
        if closed["status"] == "open":
            # Too few of them came in time: three more days, in which all that were taken still count.
            assert (await case.status()).stage is Stage.VOTING_EXTENDED
            await case.skip_to(closed["closes_at"] + timedelta(seconds=1))
            closed = await counted(case, Stage.VOTING_EXTENDED)
        await outcome_follows(case, closed, len(accepted))
        late = await cast(case, ballot.ballot_id, [here.lead], Choice.NO)
        assert [one.outcome for one in late] == [Cast.CLOSED]


async def outcome_follows(case: Case, closed: dict[str, Any], accepted: int) -> None:
    """See that a closed ballot counted what was ``accepted``, and that its process went where that leads."""
    assert closed["yes"] + closed["no"] + closed["abstain"] == accepted
    [told] = await case.entries("ballot_counted")
    assert [told["detail"][choice.value] for choice in Choice] == [closed[choice.value] for choice in Choice]
    passed = accepted >= 5 and 5 * closed["yes"] >= 3 * (closed["yes"] + closed["no"])
    assert (closed["outcome"] == "passed") == passed
    assert (closed["outcome"] == "no_quorum") == (accepted < 5)
    assert (await case.status()).status is (Status.PROBATION if passed else Status.REJECTED)


# The later ones are for machines on which a timer takes its time.
AROUND = (-0.1, 0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


async def around(case: Case, due: datetime, offset: float) -> None:
    """Wait until ``offset`` seconds from ``due`` on the clock of the process."""
    await until_just_before(case, due, 0.1)
    await asyncio.sleep(max(0.0, (due - await case.now()).total_seconds() + offset))


async def test_appeals_around_the_end_of_their_window_are_heard_or_too_late(here: Community) -> None:
    async def once(offset: float) -> None:
        case = await new_case(here, await here.person("late"))
        await case.submit()
        due = (await case.reject()).next_deadline
        assert due is not None
        await around(case, due, offset)
        won = (await settled(case.appeal()))[0]
        if won:
            assert (await case.status()).stage is Stage.APPEAL_REVIEW
        else:
            assert (await case.handle.result()).status is Status.REJECTED
        codes = await one_story(case)
        assert (codes.count("appealed"), codes.count("appeal_window_closed")) == (won, not won)
        assert (await case.mail_table())["appeal_received"] == won

    await asyncio.gather(*(once(offset) for offset in AROUND))


async def test_reviews_around_the_escalation_are_taken_once_with_it_or_without(here: Community) -> None:
    async def once(offset: float) -> None:
        case = await new_case(here, await here.person("slow"))
        await case.submit()
        holder, other = here.reviewers[:2]
        await case.claim(holder)
        since = (await case.status()).waiting_since
        assert since is not None
        await around(case, since + timedelta(days=5), offset)
        # The holder decides, and somebody else tries: the escalation ends the hold that keeps others out.
        won = await settled(case.review(holder), case.review(other))
        codes = await one_story(case)
        assert won[0]
        assert codes.count("review_approve") == sum(won)
        assert codes.count("escalated") <= 1
        assert (await case.status()).stage is (Stage.VOTING if won[1] else Stage.SECOND_REVIEW)
        assert (await case.mail_table())["staff_lead_needed"] == codes.count("escalated")

    await asyncio.gather(*(once(offset) for offset in AROUND))
