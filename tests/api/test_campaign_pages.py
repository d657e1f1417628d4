"""The pages of campaigns without a browser: every page in every state that it can be in."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from db.tables.campaigns import check_ins
from domain.campaigns.terms import Status
from domain.people import Role
from engine.processes import free_port
from locales import translate
from settings import Settings
from tests.support.browser import browser
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import Api, User, running_api

SITE = "http://kameng.test"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The application, with nobody at Temporal's address."""
    values = {"database_url": sqlite_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def window(api: Api, name: str, *roles: Role) -> tuple[httpx2.AsyncClient, User]:
    """A browser in which somebody new is signed in."""
    user = await api.user(name, *roles)
    client = await browser(api, SITE)
    told = (await user.get("/me")).json()
    answer = await client.post("/dev/sign-in", data={"email": told["email"]})
    assert answer.status_code == 303, answer.text
    return client, user


async def look(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    """Open a page, which is guarded whatever it shows; return its text."""
    answer = await client.get(SITE + path)
    assert answer.status_code == status, answer.text[:800]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return answer.text


async def send(client: httpx2.AsyncClient, path: str, status: int = 303, **data: Any) -> httpx2.Response:
    """Send a form."""
    answer = await client.post(SITE + path, data=data)
    assert answer.status_code == status, answer.text[:800]
    return answer


def en(msgid: str, **values: Any) -> str:
    return translate("en", msgid, **values)


async def test_the_list_and_the_front_page_show_what_runs(api: Api) -> None:
    await Campaign.at(api.db, day=3, members=2)
    await Campaign.at(api.db, status=Status.DRAFT)
    stranger = await browser(api, SITE)
    for path in ("/", "/campaigns"):
        text = await look(stranger, path)
        assert text.count("Thirty days of book-keeping") == 1
        assert en("page.campaign.day_of", day=3, days=30) in text
    empty = await look(stranger, "/campaigns?cursor=nonsense", 400)
    assert en("problem.cursor_invalid.title") in empty


@pytest.mark.parametrize("status", [s for s in Status if s not in {Status.DRAFT, Status.IN_REVIEW}])
async def test_a_campaign_in_every_state(api: Api, status: Status) -> None:
    day = 5 if status in {Status.RUNNING, Status.PAUSED} else 31 if "settl" in status.value else 0
    campaign = await Campaign.at(api.db, day=day, status=status, members=2)
    member, _ = await window(api, "ann")
    hidden = status in {Status.REJECTED, Status.CANCELLED}
    text = await look(member, f"/campaigns/{campaign.id}", 404 if hidden else 200)
    assert (en(f"page.campaign.status.{status.value}") in text) is not hidden


async def test_enrolling_checking_in_and_leaving(api: Api) -> None:
    campaign = await Campaign.at(api.db, capacity=1)
    path = f"/campaigns/{campaign.id}"
    ann, _ = await window(api, "ann")
    bob, _ = await window(api, "bob")
    stranger = await browser(api, SITE)
    assert (await stranger.get(SITE + path)).headers["location"].startswith("/sign-in")
    assert (await ann.get(f"{SITE}{path}/me")).headers["location"] == path
    done = await send(ann, f"{path}/enrolments", reminder_hour="21")
    assert done.headers["location"] == f"{path}/me?done=enrolled"
    assert en("page.own.not_yet") in await look(ann, f"{path}/me")
    done = await send(bob, f"{path}/enrolments", reminder_hour="")
    assert done.headers["location"] == f"{path}?done=in_line"
    assert en("page.campaign.place.waiting", number=1) in await look(bob, path)
    await campaign.go(1)
    assert en("page.own.state.open") in await look(ann, f"{path}/me")
    short = await send(ann, f"{path}/check-ins", 422, note="too short")
    assert 'id="note-error"' in short.text
    assert "too short</textarea>" in short.text
    nothing = await send(ann, f"{path}/check-ins", 422, note="")
    assert 'id="note-error"' in nothing.text
    for _ in range(2):
        await send(ann, f"{path}/check-ins", note=NOTE)
    assert len(await api.rows(select(check_ins.c.id))) == 1
    assert en("page.own.done") in await look(ann, f"{path}/me")
    await send(ann, f"{path}/reminder", reminder_hour="8")
    await send(ann, f"{path}/reminder", 422, reminder_hour="99")
    assert '<option value="8" selected>' in await look(ann, f"{path}/me")
    board = await look(ann, f"{path}/leaderboard?by=streak")
    assert en("page.board.me") in board
    for by in ("invitations", "nonsense"):
        await look(ann, f"{path}/leaderboard?by={by}")
    await send(ann, f"{path}/leave")
    assert en("page.campaign.place.left") in await look(ann, path)


async def test_a_missed_day_is_made_up_with_a_card(api: Api) -> None:
    campaign = await Campaign.at(api.db)
    path = f"/campaigns/{campaign.id}"
    ann, _ = await window(api, "ann")
    await send(ann, f"{path}/enrolments")
    await campaign.go(3)
    text = await look(ann, f"{path}/me")
    assert '<option value="2">' in text
    done = await send(ann, f"{path}/check-ins", note=NOTE, makeup_for_day="2")
    assert done.headers["location"] == f"{path}/me?done=made_up"
    text = await look(ann, f"{path}/me")
    assert '<li class="made_up"' in text
    assert '<option value="2">' not in text
    refused = await send(ann, f"{path}/check-ins", 409, note=NOTE + " Again.", makeup_for_day="2")
    assert 'role="alert"' in refused.text


async def test_who_comes_too_late_or_uninvited_is_told(api: Api) -> None:
    late = await Campaign.at(api.db, day=20)
    invited = await Campaign.at(api.db, enrolment="invitation")
    ann, _ = await window(api, "ann")
    assert en("page.campaign.cannot_join.late") in await look(ann, f"/campaigns/{late.id}")
    await send(ann, f"/campaigns/{late.id}/enrolments", 409)
    assert 'name="invite_code"' in await look(ann, f"/campaigns/{invited.id}")
    refused = await send(ann, f"/campaigns/{invited.id}/enrolments", 403, invite_code="guessed")
    assert 'role="alert"' in refused.text
