import asyncio
from datetime import datetime, timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from engine import timeskip


@workflow.defn
class Diary:
    """Writes down the time every day for `days` days, then waits to be told to end."""

    def __init__(self) -> None:
        self._entries: list[datetime] = []
        self._done = False

    @workflow.run
    async def run(self, days: int) -> list[datetime]:
        for _ in range(days):
            await asyncio.sleep(86_400)
            self._entries.append(workflow.now())
        await workflow.wait_condition(lambda: self._done)
        return self._entries

    @workflow.signal
    def end(self) -> None:
        self._done = True


async def test_timers_on_the_way_fire_one_by_one(temporal_client: Client, task_queue: str) -> None:
    async with Worker(temporal_client, task_queue=task_queue, workflows=[Diary]):
        handle = await temporal_client.start_workflow(Diary.run, 3, id="diary", task_queue=task_queue)
        before = await timeskip.process_now(temporal_client, "diary")
        arrived = await timeskip.advance(temporal_client, "diary", timedelta(days=10))
        await handle.signal(Diary.end)
        entries = await handle.result()
    assert timedelta(days=10) <= arrived - before < timedelta(days=10, minutes=1)
    gaps = [later - earlier for earlier, later in zip([before, *entries], entries, strict=False)]
    assert len(gaps) == 3
    assert all(timedelta(days=1, seconds=-5) < gap < timedelta(days=1, minutes=1) for gap in gaps)


@activity.defn
async def work() -> None:
    """Take longer than what is left of the skip when the timer before it fires."""
    await asyncio.sleep(1.0)


@workflow.defn
class WorkingDiary:
    """Works at the end of every week."""

    @workflow.run
    async def run(self) -> None:
        while True:
            await asyncio.sleep(7 * 86_400)
            await workflow.execute_activity(work, start_to_close_timeout=timedelta(minutes=1))


async def test_work_that_passes_the_target_does_not_carry_the_clock_to_the_next_timer(
    temporal_client: Client, task_queue: str
) -> None:
    async with Worker(temporal_client, task_queue=task_queue, workflows=[WorkingDiary], activities=[work]):
        await temporal_client.start_workflow(WorkingDiary.run, id="working", task_queue=task_queue)
        before = await timeskip.process_now(temporal_client, "working")
        arrived = await timeskip.advance(temporal_client, "working", timedelta(days=14))
    assert timedelta(days=14) <= arrived - before < timedelta(days=14, minutes=1)


async def test_one_process_moves_alone(temporal_client: Client, task_queue: str) -> None:
    async with Worker(temporal_client, task_queue=task_queue, workflows=[Diary]):
        for name in ("moved", "still"):
            await temporal_client.start_workflow(Diary.run, 100, id=name, task_queue=task_queue)
        await timeskip.advance(temporal_client, "moved", timedelta(hours=1))
        ahead = await timeskip.process_now(temporal_client, "moved")
        behind = await timeskip.process_now(temporal_client, "still")
    assert ahead - behind > timedelta(minutes=59)


async def test_what_cannot_be_skipped_says_so(temporal_client: Client) -> None:
    with pytest.raises(timeskip.TimeSkippingError):
        await timeskip.advance(temporal_client, "nobody", timedelta(days=1))
    with pytest.raises(timeskip.TimeSkippingError, match="forward"):
        await timeskip.advance(temporal_client, "nobody", timedelta(0))


async def test_a_clock_that_stands_still_is_not_waited_for_without_end(
    temporal_client: Client, task_queue: str
) -> None:
    await temporal_client.start_workflow(Diary.run, 3, id="no-worker", task_queue=task_queue)
    with pytest.raises(timeskip.TimeSkippingError, match="worker"):
        await timeskip.advance(temporal_client, "no-worker", timedelta(days=1), seconds=0.5)


async def test_a_clock_that_did_not_arrive_goes_on_from_where_it_is(
    temporal_client: Client, task_queue: str
) -> None:
    handle = await temporal_client.start_workflow(Diary.run, 3, id="diary", task_queue=task_queue)
    before = await timeskip.process_now(temporal_client, "diary")
    target = before + timedelta(days=10)
    with pytest.raises(timeskip.NotThereYet):
        await timeskip.advance_to(temporal_client, "diary", target, seconds=1.0)
    async with Worker(temporal_client, task_queue=task_queue, workflows=[Diary]):
        arrived = await timeskip.advance_to(temporal_client, "diary", target)
        again = await timeskip.advance_to(temporal_client, "diary", target)
        await handle.signal(Diary.end)
        assert len(await handle.result()) == 3
    assert target <= arrived <= again < target + timedelta(minutes=1)
