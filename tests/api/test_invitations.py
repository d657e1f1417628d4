"""Invitations over HTTP: codes, the landing page, joining, cheating, staff."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import insert, select, update

from contracts.campaigns import BulkInput
from db.repositories import campaign_bulk
from db.tables.campaigns import enrolments, settlements
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.members import SHARDS
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.browser import browser, mailed_tokens, parts_of
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, problem, running_api

SITE = "http://kameng.test"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def enrol(user: User, campaign: Campaign, code: str | None = None) -> Any:
    return await user.post(f"/campaigns/{campaign.id}/enrolments", {"invite_code": code} if code else None)


async def invite(user: User, campaign: Campaign, channel: str = "link") -> dict[str, Any]:
    answer = await user.post(f"/campaigns/{campaign.id}/invitations", {"channel": channel})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sign_up(
    api: Api, page: httpx2.AsyncClient, email: str, target: str = "/", known_as: str = ""
) -> None:
    """Sign up the way people do: with the page's form and the button behind the mailed link.

    ``known_as``: the address that the community writes to, if it is another one.
    """
    assert (await page.post("/sign-in", data={"email": email, "next": target})).status_code == 200
    token = (await mailed_tokens(api, known_as or email))[-1]
    assert (await page.post("/sign-in/confirm", data={"token": token, "next": target})).status_code == 303


async def test_codes_are_made_listed_and_taken_back(api: Api) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    problem(await ann.post(f"/campaigns/{campaign.id}/invitations"), 403, "not_enrolled")
    problem(await ann.get(f"/campaigns/{campaign.id}/invitations"), 403, "not_enrolled")
    problem(await ann.post(f"/campaigns/{new_id()}/invitations"), 404, "not_found")
    await enrol(ann, campaign)
    made = await invite(ann, campaign)
    assert made == await invite(ann, campaign)
    assert (made["status"], made["url"].rsplit("/", 1)[-1]) == ("created", made["code"])
    assert (await invite(ann, campaign, "qr"))["code"] != made["code"]
    mine = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()
    assert [one["channel"] for one in mine["invitations"]] == ["qr", "link"]
    assert (mine["friends"], mine["activated"], mine["goal"]) == ([], 0, 3)
    at = f"/campaigns/{campaign.id}/invitations/{made['id']}"
    bob = await api.user("bob")
    problem(await bob.http.delete(at), 404, "not_found")
    for _ in range(2):
        assert (await ann.http.delete(at)).status_code == 204
    assert (await invite(ann, campaign))["code"] != made["code"]


async def test_where_invitations_are_off_or_the_campaign_is_over(api: Api) -> None:
    ann = await api.user("ann")
    off = await Campaign.at(api.db, leader=ann.id, invitations={"mode": "off"})
    over = await Campaign.at(api.db, leader=ann.id, day=31, status=Status.SETTLED)
    problem(await ann.post(f"/campaigns/{off.id}/invitations"), 409, "invitations_off")
    problem(await ann.post(f"/campaigns/{over.id}/invitations"), 404, "not_found")


async def test_a_campaign_by_invitation_takes_in_who_has_a_code(api: Api) -> None:
    ann, bob, cid = [await api.user(name) for name in ("ann", "bob", "cid")]
    campaign = await Campaign.at(api.db, leader=ann.id, enrolment="invitation")
    other = await Campaign.at(api.db, leader=ann.id, enrolment="invitation")
    code, elsewhere = (await invite(ann, campaign))["code"], (await invite(ann, other))["code"]
    for wrong in (None, "guessed", elsewhere, code[:-1], code.swapcase()):
        problem(await enrol(bob, campaign, wrong), 403, "invitation_required")
    assert (await enrol(bob, campaign, code)).status_code == 201
    assert (await enrol(bob, campaign, code)).status_code == 200
    mine = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()
    [friend] = mine["friends"]
    assert (friend["friend"]["id"], friend["status"], friend["new_member"]) == (bob.id, "joined", False)
    theirs = (await bob.get("/me/inviters")).json()["items"]
    assert [one["inviter"]["id"] for one in theirs] == [ann.id]
    assert (await bob.post("/me/inviter/sever")).status_code == 204
    assert (await bob.get("/me/inviters")).json() == {"items": []}
    assert (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()["friends"] == []
    problem(await enrol(cid, campaign, (await invite(ann, other))["code"]), 403, "invitation_required")


async def test_codes_tried_at_random_meet_a_limit(api: Api) -> None:
    campaign, bob = await Campaign.at(api.db, enrolment="invitation"), await api.user("bob")
    guest = await browser(api, SITE)
    answers = [(await enrol(bob, campaign, f"guess{n}")).status_code for n in range(62)]
    assert answers == [403] * 60 + [429] * 2
    looked = [(await guest.get(f"/i/guess{n}")).status_code for n in range(62)]
    assert looked == [404] * 60 + [429] * 2


async def test_a_guest_lands_signs_up_and_joins_as_a_new_member(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id, enrolment="invitation")
    made = await invite(ann, campaign)
    guest, path = await browser(api, SITE), f"/i/{made['code']}"
    landed = await guest.get(path)
    assert landed.status_code == 200
    assert "Shown ann" in landed.text
    assert "Thirty days of book-keeping" in landed.text
    cookie = next(one for one in landed.headers.get_list("set-cookie") if "kameng_invited" in one)
    assert re.search(r"HttpOnly", cookie)
    assert re.search(r"(?i)samesite=lax", cookie)
    assert "Max-Age=604800" in cookie
    assert "no-store" in landed.headers["cache-control"]
    chinese = (await guest.get(path, headers={"Accept-Language": "zh-CN"})).text
    assert "Shown ann 邀请你参加" in chinese
    assert (await guest.post(path)).headers["location"] == path
    await sign_up(api, guest, "guest@people.example", path)
    assert "Join" in (await guest.get(path)).text
    assert (await guest.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert await api.rows(select(invitation_joins)) == []
    joined = await guest.post(path)
    own_page = f"/campaigns/{campaign.id}/me?done=enrolled"
    assert (joined.status_code, joined.headers["location"]) == (303, own_page)
    assert "You take part" in (await guest.get(path)).text
    [row] = await api.rows(select(invitation_joins))
    assert (row["inviter_id"], row["new_member"], row["status"]) == (ann.id, True, "joined")
    [entry] = await api.rows(select(enrolments))
    assert (entry["invited_by"], entry["new_member"]) == (ann.id, True)
    listed = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()
    assert listed["invitations"][0]["status"] == "opened"


async def test_the_click_is_remembered_where_no_code_is_given(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id, enrolment="invitation")
    path = f"/i/{(await invite(ann, campaign))['code']}"
    guest, forger = await browser(api, SITE), await browser(api, SITE)
    await guest.get(path)
    await sign_up(api, guest, "guest@people.example", path)
    await guest.get(path)
    at = f"/api/v1/campaigns/{campaign.id}/enrolments"
    assert (await guest.post(at, json={})).status_code == 201
    [row] = await api.rows(select(invitation_joins))
    assert (row["inviter_id"], row["new_member"]) == (ann.id, True)
    await sign_up(api, forger, "forger@people.example")
    signed = guest.cookies["kameng_invited"]
    forger.cookies.set("kameng_invited", signed[:-3] + "AAA", domain="kameng.test")
    problem(await forger.post(at, json={}), 403, "invitation_required")


async def test_pages_of_codes_that_lead_nowhere_are_the_same(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id)
    made, guest = await invite(ann, campaign), await browser(api, SITE)
    picture = await guest.get(f"/i/{made['code']}/qr.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert picture.text.lstrip().startswith("<?xml")
    assert "viewBox" in picture.text
    await ann.http.delete(f"/campaigns/{campaign.id}/invitations/{made['id']}")
    known, unknown = [await guest.get(f"/i/{code}") for code in (made["code"], "A" * 22)]
    assert (known.status_code, unknown.status_code) == (404, 404)
    plain = [
        re.sub(r"[0-9a-f]{8}[0-9a-f-]{24,}|/i/[\w-]+|%2Fi%2F[\w-]+", "", page.text)
        for page in (known, unknown)
    ]
    assert plain[0] == plain[1]
    assert (await guest.get(f"/i/{made['code']}/qr.svg")).status_code == 404


async def test_one_person_with_many_addresses_is_looked_at_by_staff(api: Api) -> None:
    ann, boss = await api.user("ann"), await api.user("boss", Role.CAMPAIGN_MANAGER)
    campaign = await Campaign.at(api.db, leader=ann.id)
    code = (await invite(ann, campaign))["code"]
    first = await browser(api, SITE)
    await sign_up(api, first, "same.person@people.example")
    again = await browser(api, SITE)
    await sign_up(api, again, "same.person+2@people.example", known_as="same.person@people.example")
    twin = await browser(api, SITE)
    await sign_up(api, twin, "sameperson@people.example")
    at = f"/api/v1/campaigns/{campaign.id}/enrolments"
    answers = [(await one.post(at, json={"invite_code": code})).status_code for one in (first, again, twin)]
    assert answers == [201, 200, 201]
    problem(await ann.get("/staff/invitations/doubtful"), 403, "forbidden")
    [doubt] = (await boss.get("/staff/invitations/doubtful")).json()["items"]
    assert doubt["reasons"] == ["lookalike_address"]
    decision = f"/staff/invitations/doubtful/{doubt['id']}/decision"
    problem(await boss.post(decision, {"decision": "perhaps"}), 422, "validation_failed")
    for nothing in ({}, {"note": None}, {"note": " "}):
        unexplained = problem(
            await boss.post(decision, {"decision": "reject"} | nothing), 422, "validation_failed"
        )
        assert [one["field"] for one in unexplained["errors"]] == ["note"]
    no = {"decision": "reject", "note": "Two addresses of one person."}
    assert (await boss.post(decision, no)).json() == {"outcome": "rejected", "points": 0}
    problem(await boss.post(decision, {"decision": "count"}), 409, "invitation_decided")
    problem(
        await boss.post(f"/staff/invitations/doubtful/{new_id()}/decision", {"decision": "count"}),
        404,
        "not_found",
    )
    assert (await boss.get("/staff/invitations/doubtful")).json()["items"] == []
    statuses = {row["status"]: row["decided_by"] for row in await api.rows(select(invitation_joins))}
    assert statuses == {"joined": None, "rejected": boss.id}


async def test_bulk_sign_ups_from_one_address_wait_for_staff(api: Api) -> None:
    ann, judge = await api.user("ann", Role.MODERATOR), await api.user("judge", Role.MODERATOR)
    campaign = await Campaign.at(api.db, leader=ann.id)
    code = (await invite(ann, campaign))["code"]
    before = datetime.now(UTC)
    for number in range(5):
        friend = await api.user(f"friend{number}", joined_at=before)
        assert (await enrol(friend, campaign, code)).status_code == 201
    page = (await judge.get("/staff/invitations/doubtful", params={"limit": 3})).json()
    assert len(page["items"]) == 3
    rest = await judge.get("/staff/invitations/doubtful", params={"cursor": page["next_cursor"]})
    items = page["items"] + rest.json()["items"]
    assert [one["reasons"] for one in items] == [["many_from_one_client"]] * 5
    decision = f"/staff/invitations/doubtful/{items[0]['id']}/decision"
    problem(await ann.post(decision, {"decision": "count"}), 403, "forbidden")
    assert (await judge.post(decision, {"decision": "count"})).json() == {"outcome": "waits", "points": 0}


async def test_friends_beyond_the_cap_count_and_are_not_rewarded(api: Api) -> None:
    plan = {"points": 20, "rewarded_at_most": 1, "activating_check_ins": 1}
    campaign, ann = await Campaign.at(api.db, invitations=plan), await api.user("ann")
    await enrol(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    for name in ("bob", "cid"):
        friend = await api.user(name)
        await enrol(friend, campaign, code)
        await campaign.go(1)
        await campaign.check_in(friend.id)
    now = datetime.now(UTC)
    given = BulkInput(
        campaign_id=campaign.id, process_id="campaign/x", at=now, first=0, last=SHARDS, day=1, nudge_after=30
    )
    await api.db.write(lambda conn: campaign_bulk.close_page(conn, given, None, 100, now))
    at = f"/campaigns/{campaign.id}/invitations"
    mine = (await ann.get(at)).json()
    assert [one["status"] for one in mine["friends"]] == ["activated"] * 2
    assert (mine["activated"], mine["rewarded_at_most"]) == (2, 1)
    paid = {"days_done": 0, "completed": False, "invitation_points": 20, "settled_at": now}
    await api.execute(insert(settlements).values(campaign_id=campaign.id, person_id=ann.id, **paid))
    mine = (await ann.get(at)).json()
    assert sorted(one["status"] for one in mine["friends"]) == ["activated", "rewarded"]


async def test_looking_again_after_signing_up_makes_nobody_an_old_member(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id)
    made, guest = await invite(ann, campaign), await browser(api, SITE)
    await sign_up(api, guest, "guest@people.example")
    now, hour = datetime.now(UTC), timedelta(hours=1)
    await api.execute(
        update(people).where(people.c.email == "guest@people.example").values(joined_at=now - hour)
    )
    signer = URLSafeSerializer(parts_of(api).settings.secret_key.get_secret_value(), salt="invitation-clicks")
    clicked = signer.dumps([(made["id"], int((now - 2 * hour).timestamp()))])
    guest.cookies.set("kameng_invited", clicked, domain="kameng.test")
    assert (await guest.get(f"/i/{made['code']}")).status_code == 200
    assert (await guest.post(f"/api/v1/campaigns/{campaign.id}/enrolments", json={})).status_code == 201
    [row] = await api.rows(select(invitation_joins))
    assert row["new_member"] is True


@pytest.mark.parametrize(("clicked_days_ago", "new"), [(3, True), (1, False)])
async def test_the_button_of_the_invitation_counts_from_its_own_click(
    api: Api, clicked_days_ago: int, new: bool
) -> None:
    """An account of two days: new to who clicked before, and an old one to who clicked only afterwards."""
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id)
    made, guest = await invite(ann, campaign), await browser(api, SITE)
    await sign_up(api, guest, "guest@people.example")
    now, day = datetime.now(UTC), timedelta(days=1)
    mine = people.c.email == "guest@people.example"
    await api.execute(update(people).where(mine).values(joined_at=now - 2 * day))
    signer = URLSafeSerializer(parts_of(api).settings.secret_key.get_secret_value(), salt="invitation-clicks")
    clicked = signer.dumps([(made["id"], int((now - clicked_days_ago * day).timestamp()))])
    guest.cookies.set("kameng_invited", clicked, domain="kameng.test")
    given = {"invite_code": made["code"]}
    assert (await guest.post(f"/api/v1/campaigns/{campaign.id}/enrolments", json=given)).status_code == 201
    [row] = await api.rows(select(invitation_joins))
    assert row["new_member"] is new


async def test_the_own_code_leads_nowhere_new(api: Api) -> None:
    ann = await api.user("ann")
    campaign = await Campaign.at(api.db, leader=ann.id)
    made = await invite(ann, campaign)
    assert (await enrol(ann, campaign, made["code"])).status_code == 201
    assert await api.rows(select(invitation_joins)) == []
    [entry] = await api.rows(select(enrolments))
    assert entry["invited_by"] is None
