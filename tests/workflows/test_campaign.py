"""A campaign on the real server: from its plan to its settlement, and every way out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client

from db.database import Database
from tests.support.campaign_case import CampaignCase
from tests.workflows.campaign_paths import PATHS
from worker import campaign_worker


@asynccontextmanager
async def begun(client: Client, url: str, queue: str, name: str) -> AsyncIterator[CampaignCase]:
    """The campaign that a path begins with, and the worker that carries it."""
    async with Database.connect(url) as db, campaign_worker(client, db, queue):
        yield await CampaignCase.begin(db, client, queue, **PATHS[name].given)


async def walk(client: Client, url: str, queue: str, name: str) -> None:
    async with begun(client, url, queue, name) as case:
        await PATHS[name].walk(case)
        await case.handle.result()


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_path(name: str, temporal_client: Client, sqlite_url: str, task_queue: str) -> None:
    await walk(temporal_client, sqlite_url, task_queue, name)


@pytest.mark.parametrize("name", ["settled", "cancelled_in_the_middle"])
async def test_path_on_postgresql(
    name: str, temporal_client: Client, postgres_url: str, task_queue: str
) -> None:
    await walk(temporal_client, postgres_url, task_queue, name)
