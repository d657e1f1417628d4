"""Certificates: proved by their code, hidden by their member, linked from the page and the letter."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, update

from db.tables.campaigns import settlements
from db.tables.people import people
from domain.campaigns.terms import Status
from domain.people import Role
from settings import Settings
from tests.api.test_campaign_pages import SITE, en, look, send, window
from tests.support.browser import browser
from tests.support.campaigns import Campaign
from tests.support.vetting_api import BASE, Api, User, problem, running_api

CODE = "5f0c1d2e3a6b7c8d"
UNKNOWN = "0000000000000000"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": database_url, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def certified(api: Api, person_id: str, code: str | None = CODE) -> Campaign:
    """A settled campaign that somebody has completed."""
    campaign = await Campaign.at(api.db, day=1)
    await campaign.enrol(person_id)
    await campaign.go(31, Status.SETTLED)
    row = {
        "campaign_id": campaign.id,
        "person_id": person_id,
        "days_done": 27,
        "completed": code is not None,
        "certificate_code": code,
        "settled_at": datetime(2026, 4, 1, 4, tzinfo=UTC),
    }
    await api.execute(insert(settlements).values(row))
    return campaign


async def test_anybody_with_the_code_reads_it(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await certified(api, ann.id)
    told = (await api.anyone.get(f"{BASE}/certificates/{CODE}")).json()
    assert (told["campaign_id"], told["days_done"], told["length_days"]) == (campaign.id, 27, 30)
    assert (told["first_day"], told["last_day"]) == ("2026-03-02", "2026-03-31")
    assert told["url"].endswith(f"/certificates/{CODE}")
    assert "person_id" not in told
    stranger = await browser(api, SITE)
    text = await look(stranger, f"/certificates/{CODE}")
    assert told["name"] in text
    assert CODE in text
    assert en("page.certificate.hide") not in text
    drawn = await stranger.get(f"{SITE}/certificates/{CODE}/qr.svg")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert (await stranger.get(f"{SITE}/certificates/{CODE}")).headers["x-robots-tag"] == "noindex"


async def test_hidden_is_told_as_unknown_but_to_its_member(api: Api) -> None:
    client, ann = await window(api, "ann")
    bob, stranger = await api.user("bob"), await browser(api, SITE)
    await certified(api, ann.id)
    page = f"/certificates/{CODE}"
    assert en("page.certificate.hide") in await look(client, page)
    problem(await bob.http.patch(page, json={"hidden": True}), 404, "not_found")
    await send(client, page, hidden="yes")
    assert en("page.certificate.hidden") in await look(client, page)
    for path in (page, f"{page}/qr.svg"):
        for one in (path, path.replace(CODE, UNKNOWN)):
            assert (await stranger.get(SITE + one)).status_code == 404
    answers = [await api.anyone.get(f"{BASE}/certificates/{code}") for code in (CODE, UNKNOWN)]
    documents = [{**problem(one, 404, "not_found"), "request_id": ""} for one in answers]
    assert documents[0] == documents[1]
    assert (await ann.get(page)).json()["hidden"] is True
    shown = await ann.http.patch(page, json={"hidden": False}, headers={"Idempotency-Key": "k"})
    assert shown.json()["hidden"] is False
    await look(stranger, page)


async def test_whose_account_is_closed_has_none(api: Api) -> None:
    ann = await api.user("ann")
    await certified(api, ann.id)
    await api.execute(update(people).where(people.c.id == ann.id).values(status="suspended"))
    problem(await api.anyone.get(f"{BASE}/certificates/{CODE}"), 404, "not_found")


async def test_codes_are_not_tried_for_ever(api: Api) -> None:
    codes = [(await api.anyone.get(f"{BASE}/certificates/{n:016x}")).status_code for n in range(62)]
    assert codes[:60] == [404] * 60
    assert codes[-1] == 429


async def test_a_member_finds_it(api: Api) -> None:
    client, ann = await window(api, "ann")
    campaign = await certified(api, ann.id)
    assert f'href="/certificates/{CODE}"' in await look(client, f"/campaigns/{campaign.id}/me")
    assert [one["code"] for one in await mine(ann)] == [CODE]
    page = await look(client, "/certificates")
    assert f'href="/certificates/{CODE}"' in page
    assert en("page.certificates.never_led") in page
    await client.post(f"{SITE}/certificates/{CODE}", data={"hidden": "yes"})
    assert en("page.certificates.hidden") in await look(client, "/certificates")
    other = await api.user("bob", Role.LEADER)
    assert await mine(other) == []
    without = await certified(api, other.id, None)
    assert (await other.get(f"/campaigns/{without.id}/me")).json()["certificate_code"] is None


async def test_after_the_settlement_the_own_page_says_what_was_paid(api: Api) -> None:
    client, ann = await window(api, "ann")
    campaign = await certified(api, ann.id)
    paid = {"check_in_points": 54, "completion_points": 100, "rank_points": 30, "invitation_points": 20}
    await api.execute(update(settlements).values(**paid))
    assert (await ann.get(f"/campaigns/{campaign.id}/me")).json()["points_so_far"] == 204
    page = await look(client, f"/campaigns/{campaign.id}/me")
    assert f'{en("page.own.points_over")}</dt><dd><strong class="number">204<' in page
    assert f"<h1>{en('page.own.title_over')}</h1>" in page
    # What is over has no today.
    about = await look(client, f"/campaigns/{campaign.id}")
    assert en("page.campaign.place.took_part") in about
    assert en("page.campaign.done_today") not in about


async def mine(user: User) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await user.get("/me/certificates")).json()["items"]
    return found
