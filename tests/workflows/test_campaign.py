"""A campaign on the real server: from its plan to its settlement, and every way out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select
from temporalio.client import Client

from db.database import Database
from db.tables.campaigns import campaign_days
from domain.campaigns.terms import Status
from tests.support.campaign_case import DAY, CampaignCase
from tests.workflows import campaign_paths_doubts
from tests.workflows.campaign_paths import PATHS
from worker import campaign_worker
from workflows import campaign_process

assert campaign_paths_doubts


@asynccontextmanager
async def begun(
    client: Client, url: str, queue: str, name: str, *, cached_workflows: int = 1000
) -> AsyncIterator[CampaignCase]:
    """The campaign that a path begins with, and the worker that carries it."""
    async with (
        Database.connect(url) as db,
        campaign_worker(client, db, queue, cached_workflows=cached_workflows),
    ):
        yield await CampaignCase.begin(db, client, queue, **PATHS[name].given)


async def walk(client: Client, url: str, queue: str, name: str, *, cached_workflows: int = 1000) -> None:
    async with begun(client, url, queue, name, cached_workflows=cached_workflows) as case:
        await PATHS[name].walk(case)
        await case.handle.result()


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_path(name: str, temporal_client: Client, sqlite_url: str, task_queue: str) -> None:
    await walk(temporal_client, sqlite_url, task_queue, name)


@pytest.mark.parametrize("name", ["settled", "cancelled_in_the_middle", "told_of_everything", "amnesty"])
async def test_path_on_postgresql(
    name: str, temporal_client: Client, postgres_url: str, task_queue: str
) -> None:
    await walk(temporal_client, postgres_url, task_queue, name)


@pytest.mark.slow
async def test_path_replayed_at_every_step(temporal_client: Client, sqlite_url: str, task_queue: str) -> None:
    """Without a cache every workflow task starts from the whole history: what is not deterministic fails."""
    await walk(temporal_client, sqlite_url, task_queue, "paused_and_resumed", cached_workflows=0)


async def test_a_long_history_is_carried_on_as_a_new_one(
    temporal_client: Client, sqlite_url: str, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days, answers and what is still to be done go along into the next run."""
    monkeypatch.setattr(campaign_process, "LONGEST_HISTORY", 60)
    async with begun(temporal_client, sqlite_url, task_queue, "extended") as case:
        await case.submit(update_id="asked-once")
        first = (await case.handle.describe()).run_id
        await case.to_day(2)
        assert (await case.handle.describe()).run_id != first
        again = await case.submit(update_id="asked-once")
        assert again.status is Status.IN_REVIEW
        await case.extend(2)
        await case.skip(4 * DAY)
        await case.handle.result()
        assert (await case.row())["status"] == "settled"
        assert [day["day"] for day in await case.rows(select(campaign_days.c.day))] == [1, 2, 3, 4, 5]
