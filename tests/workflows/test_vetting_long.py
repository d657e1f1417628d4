"""Processes that live long: they continue as new, their histories stay small, and outages are waited out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowQueryFailedError

from domain.policy import VettingPolicy, VotePolicy
from domain.vetting import ProbationDecision, Stage, Status
from tests.support.community import Community
from tests.support.held import inserts_failing, writes_held
from tests.support.temporal import impatient
from tests.support.vetting import PATIENCE_SECONDS, Case, community, new_case, until
from tests.workflows.paths import SHORT

EVENTS_BEFORE_SUGGESTION = 60


@pytest.fixture
async def impatient_client(tmp_path: Path, temporal_namespace: str) -> AsyncIterator[Client]:
    """A client of a server that suggests to continue as new after a few dozen events."""
    async with impatient(tmp_path / "temporal.log", temporal_namespace, EVENTS_BEFORE_SUGGESTION) as client:
        yield client


async def runs_of(case: Case) -> list[str]:
    """Ids of the runs of the process, oldest first, told by each run's own first event."""
    runs = [(await case.handle.describe()).run_id]
    while True:
        handle = case.community.client.get_workflow_handle(case.process_id, run_id=runs[0])
        first = await anext(aiter(handle.fetch_history_events()))
        earlier = first.workflow_execution_started_event_attributes.continued_execution_run_id
        if not earlier:
            return runs
        runs.insert(0, earlier)


async def test_a_process_goes_on_as_new_with_all_that_it_knew(
    sqlite_url: str, impatient_client: Client, task_queue: str
) -> None:
    async with community(sqlite_url, impatient_client, task_queue) as here:
        case = await new_case(here)
        case.policy = SHORT
        await case.submit()
        reviewer = here.reviewers[0]
        remembered = await case.claim(reviewer, update_id="remembered")
        while len(await runs_of(case)) < 2:
            await case.release(reviewer)
            await case.claim(reviewer)
        since, deadline = remembered.waiting_since, remembered.next_deadline
        now = await case.status()
        assert (now.waiting_since, now.next_deadline, now.claimed_by) == (since, deadline, reviewer)
        # An update answered in the first run is not done again in the second.
        codes = await case.codes()
        assert await case.claim(reviewer, update_id="remembered") == remembered
        assert await case.codes() == codes
        await case.agrees()
        # The alarms go on, on the skipped clock too: reminder and escalation at their days.
        assert deadline is not None
        await case.skip(days=3, seconds=1)
        assert (await case.codes()).count("staff_reminded") == 1
        escalated = await case.skip(days=2)
        assert (await case.row())["escalated"]
        assert escalated.next_deadline == deadline + timedelta(days=7)
        await whole_way_on(case)
        assert len(await runs_of(case)) >= 3
        longest = max([await events_of(case, run) for run in await runs_of(case)])
        assert longest < 3 * EVENTS_BEFORE_SUGGESTION


async def whole_way_on(case: Case) -> None:
    """Carry the case from its escalated review to certification."""
    await case.approve()
    await case.roll_mailed()
    await case.pass_vote()
    await case.good_probation(days=14)
    due = await case.skip(days=14, seconds=5)
    assert due.stage is Stage.PROBATION_DECISION
    await case.decide_probation(ProbationDecision.PASS)
    assert (await case.handle.result()).status is Status.CERTIFIED
    await case.agrees()
    table = await case.mail_table()
    assert {table[name] for name in ("certified", "probation_midterm", "application_received")} == {1}
    assert table["ballot_opened"] == 17


@pytest.mark.slow
async def test_deciding_at_the_moment_of_going_on_as_new(
    sqlite_url: str, impatient_client: Client, task_queue: str
) -> None:
    """An approval waits for the ballot that it orders, and the run for the approval: not for each other."""
    async with community(sqlite_url, impatient_client, task_queue) as here:

        async def once(steps_before: int) -> None:
            case = await new_case(here, await here.person("candidate"))
            await case.submit()
            await case.review(here.reviewers[0])
            for member in here.members[:steps_before]:
                await case.declare_conflict(member)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await case.review(here.reviewers[1])
            await stands_in_the_vote(case)

        # One of these numbers puts the approval into the very task in which the server first suggests it.
        await asyncio.gather(*(once(steps_before) for steps_before in range(3, 12)))


async def stands_in_the_vote(case: Case) -> None:
    """Assert it by a query.

    One that still reaches a run that is just ending replays it; where the last task of that was prolonged
    for a slow local activity, the server's suggestion comes at another moment then, and the query fails once.
    """
    for _ in range(3):
        with suppress(WorkflowQueryFailedError):
            await case.agrees()
            assert (await case.status()).stage is Stage.VOTING
            return
        await asyncio.sleep(0.3)
    raise AssertionError("no run answers")


async def events_of(case: Case, run_id: str) -> int:
    """How many events the run's history has."""
    described = await case.community.client.get_workflow_handle(case.process_id, run_id=run_id).describe()
    return described.history_length


async def certified(case: Case) -> None:
    """Go the whole way with the default rules."""
    await case.submit()
    await case.approve()
    await case.pass_vote()
    await case.good_probation()
    await case.skip(days=60, seconds=5)
    await case.decide_probation(ProbationDecision.PASS)
    await case.handle.result()


@pytest.mark.slow
async def test_the_history_is_as_long_for_a_thousand_voters_as_for_few(
    sqlite_url: str, temporal_client: Client, task_queue: str
) -> None:
    async with community(sqlite_url, temporal_client, task_queue) as here:
        few = await new_case(here)
        await certified(few)
        await here.many(1000)
        many = await new_case(here, await here.person("second"))
        many.policy = VettingPolicy(vote=VotePolicy(quorum_share=0.001))
        await certified(many)
        assert len(await many.mails("ballot_opened")) == 1018
        lengths = [(await case.handle.describe()).history_length for case in (few, many)]
    assert max(lengths) < 500
    # Timers that are overtaken make a few events more or less; people make none.
    assert abs(lengths[0] - lengths[1]) < 30


async def test_an_outage_of_the_database_is_waited_out(sqlite_url: str, here: Community, case: Case) -> None:
    await case.submit()
    async with inserts_failing(here, "timeline_entries"):
        review = asyncio.create_task(case.review(here.reviewers[0]))
        await asyncio.sleep(0.8)
        assert not review.done()
        assert await case.codes() == ["submitted"]
        assert (await case.row())["revision"] == 1
    assert (await review).stage is Stage.SECOND_REVIEW
    await case.agrees()
    assert await case.codes() == ["submitted", "review_approve"]
    assert (await case.mail_table())["staff_second_review_needed"] == 3


async def test_a_submission_survives_an_outage_longer_than_its_patience(here: Community, case: Case) -> None:
    """The process gives up waiting for a submission after minutes, but not for one that is being written."""
    async with inserts_failing(here, "timeline_entries"):
        submission = asyncio.create_task(case.submit())
        await asyncio.sleep(0.5)
        await case.community.client.get_workflow_handle(case.process_id).describe()
        with pytest.raises(AssertionError):
            await until(lambda: _done(submission), 0.3)
    assert (await submission).stage is Stage.FIRST_REVIEW
    assert (await case.claim(here.reviewers[0])).claimed_by == here.reviewers[0]
    await case.agrees()


async def _done(task: "asyncio.Task[object]") -> bool:
    return task.done()


async def test_orders_are_tried_until_the_database_is_back(
    sqlite_url: str, here: Community, case: Case
) -> None:
    await case.submit()
    await case.review(here.reviewers[0])
    async with inserts_failing(here, "ballots"):
        approval = asyncio.create_task(case.review(here.reviewers[1]))
        await asyncio.sleep(0.8)
        assert not approval.done()
    assert (await approval).ballot_id == (await case.ballots())[0]["id"]
    await case.roll_mailed()
    async with writes_held(sqlite_url):
        await asyncio.sleep(0.2)
    await case.agrees()
    assert (await case.codes()).count("ballot_opened") == 1


@pytest.mark.slow
async def test_a_vote_goes_on_without_a_mail_that_cannot_be_queued(here: Community, case: Case) -> None:
    case.policy = VettingPolicy(vote=VotePolicy(mail_shards=1))
    await case.submit()
    async with inserts_failing(here, "mails", "NEW.template = 'ballot_opened'"):
        await case.approve()
        opened = await case.now()
        await case.skip(hours=11)
        assert "roll_mail_failed" not in await case.codes()
        await case.skip(hours=1, minutes=1)
    failed = await case.entries("roll_mail_failed")
    assert [entry["detail"] for entry in failed] == [{"template": "ballot_opened", "shards": [0]}]
    assert failed[0]["at"] - opened < timedelta(hours=12, minutes=1)
    assert len(await case.mails("ballot_opened")) == 0
    await case.vote(yes=7)
    passed = await case.skip(days=7)
    assert passed.stage is Stage.PROBATION
    assert (await case.mail_table())["ballot_reminder"] == 10
    await case.agrees()


async def test_failures_leave_no_personal_data_in_the_history(here: Community, case: Case) -> None:
    async with inserts_failing(here, "mails"):
        submission = asyncio.create_task(case.submit())
        await asyncio.sleep(0.8)
    await submission
    await case.review(here.reviewers[0])
    async with inserts_failing(here, "mails", "NEW.template = 'ballot_opened'"):
        await case.review(here.reviewers[1])
        await asyncio.sleep(0.8)
    await case.roll_mailed()
    history = await case.handle.fetch_history()
    retried = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED]
    assert any(e.activity_task_started_event_attributes.HasField("last_failure") for e in retried)
    text = history.to_json()
    assert "told to fail" in text
    assert "people.example" not in text
    assert "Shown " not in text
