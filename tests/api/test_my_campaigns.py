"""What a member has to do today, in every state that one of their campaigns can be in; the desk's order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from api.schemas.enrolments import NextStep
from db.database import Database
from db.tables.campaigns import campaigns
from domain.campaigns.terms import Status
from domain.people import Role
from engine.processes import free_port
from locales import translate
from settings import Settings
from tests.support.browser import browser
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, running_api

SITE = "http://kameng.test"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The application, with nobody at Temporal's address."""
    values = {"database_url": database_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def steps(user: User) -> dict[str, str]:
    """Return the next step in each of somebody's campaigns."""
    items = (await user.get("/me/enrolments")).json()["items"]
    return {one["id"]: one["next_step"] for one in items}


@pytest.mark.parametrize(
    ("day", "status", "rest", "step"),
    [
        (0, Status.ENROLLING, (), NextStep.WAIT_FOR_THE_START),
        (3, Status.RUNNING, (), NextStep.CHECK_IN),
        # The third day from a Monday on is a Wednesday.
        (3, Status.RUNNING, (2,), NextStep.REST_TODAY),
        (3, Status.PAUSED, (), NextStep.WAIT_FOR_RESUMING),
        (31, Status.SETTLING, (), NextStep.WAIT_FOR_POINTS),
    ],
)
async def test_the_next_step_in_each_state(
    api: Api, day: int, status: Status, rest: tuple[int, ...], step: NextStep
) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, rest_weekdays=rest)
    await campaign.enrol(ann.id)
    await campaign.go(day, status)
    assert await steps(ann) == {campaign.id: step.value}


async def test_what_is_to_be_done_comes_first_and_what_is_over_is_gone(api: Api) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    done, due, full, over, left = [await Campaign.at(api.db, capacity=2) for _ in range(5)]
    for campaign in (done, due, over, left):
        await campaign.enrol(ann.id)
    for name in ("eve", "joe"):
        await full.enrol((await api.user(name)).id)
    await full.enrol(ann.id)
    await left.leave(ann.id)
    for campaign in (done, due):
        await campaign.go(1)
    await over.go(31, Status.SETTLED)
    await done.check_in(ann.id)
    items = (await ann.get("/me/enrolments")).json()["items"]
    assert items[0]["id"] == due.id
    assert (items[0]["next_step"], items[0]["day"], items[0]["streak"]) == ("check_in", 1, 0)
    assert {one["id"]: one["next_step"] for one in items[1:]} == {
        done.id: "done_today",
        full.id: "wait_for_a_place",
    }
    assert await steps(bob) == {}
    # Nobody joins on the twentieth day any more, so there is nothing left to wait for.
    await full.go(20)
    assert full.id not in await steps(ann)
    client = await browser(api, SITE)
    await client.post("/dev/sign-in", data={"email": (await ann.get("/me")).json()["email"]})
    text = (await client.get(SITE + "/")).text
    assert translate("en", "page.mine.title") in text
    assert text.index(f"/campaigns/{due.id}/me") < text.index(f"/campaigns/{done.id}/me")
    assert over.id not in text


async def _wait_since(db: Database, campaign: Campaign, at: datetime) -> None:
    values: dict[str, Any] = {"waiting_since": at}
    mine = campaigns.c.id == campaign.id
    await db.write(lambda conn: conn.execute(update(campaigns).where(mine).values(**values)) and None)


async def test_who_waits_longest_for_approval_is_first_at_the_desk(api: Api) -> None:
    staff = await api.user("staff", Role.CAMPAIGN_MANAGER)
    waiting = [await Campaign.at(api.db, status=Status.IN_REVIEW) for _ in range(5)]
    now = datetime.now(UTC)
    # Two of them since the same instant.
    for campaign, hours in zip(waiting, (3, 9, 1, 3, 5), strict=True):
        await _wait_since(api.db, campaign, now - timedelta(hours=hours))
    ids = [one.id for one in waiting]
    wanted = [ids[1], ids[4], *sorted((ids[0], ids[3])), ids[2]]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await staff.get("/staff/campaigns", params={"limit": 2} | cursor)).json()
        seen += [one["id"] for one in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert seen == wanted
    elsewhere = await staff.get("/staff/campaigns", params={"status": "running"} | cursor)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "cursor_invalid")
