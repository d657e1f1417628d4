"""Live numbers of a campaign over HTTP: who watches hears of each change, and only who may see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx2
import pytest
from sqlalchemy import delete, insert, update

from api.app import create_app
from api.pages import watching
from db.tables.access import api_tokens
from db.tables.campaigns import campaign_days, campaigns
from domain.campaigns.terms import Status
from settings import Settings
from tests.support.campaigns import Campaign
from tests.support.served import Served
from tests.support.vetting_api import Api, User, running_api

SECONDS = 20
"""How long a change may take to be told; it is looked for every two seconds."""


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def served(database_url: str, settings: Settings) -> AsyncIterator[str]:
    """Another process of the same API, in a thread; yields its address."""
    app = create_app(settings.model_copy(update={"database_url": database_url}))
    with Served(app) as running:
        yield running.url


@asynccontextmanager
async def watching_as(user: User, url: str) -> AsyncIterator[AsyncIterator[str]]:
    """Yield the events as they come: their names, and ``here`` for the signs of life between them."""
    key = {"Authorization": user.http.headers["Authorization"]}
    async with (
        httpx2.AsyncClient(timeout=SECONDS) as http,
        http.stream("GET", url, headers=key) as answer,
    ):
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-" in answer.headers["cache-control"]

        async def told() -> AsyncIterator[str]:
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    yield line.removeprefix("event: ")
                elif line.startswith(":"):
                    yield "here"

        yield told()


async def until(events: AsyncIterator[str], wanted: str) -> None:
    async with asyncio.timeout(SECONDS):
        async for event in events:
            if event == wanted:
                return
    raise AssertionError("the stream has ended")


async def test_each_change_of_the_numbers_is_told(api: Api, served: str) -> None:
    ann, ben = await api.user("ann"), await api.user("ben")
    campaign = await Campaign.at(api.db, day=1)
    opened = {"campaign_id": campaign.id, "day": 1, "opened_at": datetime.now(UTC)}
    await api.execute(insert(campaign_days).values(**opened))
    async with watching_as(ann, f"{served}/campaigns/{campaign.id}/events") as events:
        await until(events, "here")
        await campaign.enrol(ben.id)
        await until(events, "changed")
        await campaign.check_in(ben.id)
        await until(events, "changed")
        await campaign.go(1, Status.PAUSED)
        await until(events, "changed")


async def test_it_ends_with_the_session_and_tells_nothing_more(api: Api, served: str) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, day=1)
    async with watching_as(ann, f"{served}/campaigns/{campaign.id}/events") as events:
        await until(events, "here")
        await api.execute(delete(api_tokens).where(api_tokens.c.person_id == ann.id))
        await campaign.go(2)
        async with asyncio.timeout(SECONDS):
            assert "changed" not in [event async for event in events]


async def test_a_draft_is_its_leaders(api: Api, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To others it sends one sign and ends, as if it were not there."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db)
    draft = update(campaigns).where(campaigns.c.id == campaign.id).values(status=Status.DRAFT.value)
    await api.execute(draft)
    async with (
        watching_as(ann, f"{served}/campaigns/{campaign.id}/events") as events,
        asyncio.timeout(SECONDS),
    ):
        assert {event async for event in events} <= {"here"}
