"""People who cheat over the real API: nothing is paid for it, and staff see why where they have to judge."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update

from db.tables.campaigns import check_ins, settlements
from db.tables.invitations import invitation_joins, invitations
from db.tables.people import people
from db.tables.points import point_transfers
from domain.people import Role
from settings import Settings
from tests.api.test_invitations import SITE, enrol, invite, sign_up
from tests.support import settling
from tests.support.browser import browser
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import Api, User, problem, running_api

DAYS = 3
INVITING = {"mode": "inside", "points": 20, "rewarded_at_most": 3, "activating_check_ins": 3}


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def begun(api: Api, leader: str | None = None, **changes: Any) -> Campaign:
    """A campaign of three days that pays for nothing but friends, with points to pay them."""
    plan: dict[str, Any] = {
        "length_days": DAYS,
        "invitations": INVITING,
        "rewards": {"check_in": 0, "completion": 0},
    }
    campaign = await Campaign.at(api.db, leader=leader, **plan | changes)
    await settling.fund(campaign)
    return campaign


async def here(user: User, campaign: Campaign, code: str | None = None) -> User:
    """Enrol somebody, by a code or without."""
    answer = await enrol(user, campaign, code)
    assert answer.status_code in (200, 201), answer.text
    return user


async def check_in(user: User, campaign: Campaign, day: int, **body: Any) -> Any:
    note = {"note": f"{NOTE} This was day {day} of {campaign.id}."}
    return await user.post(f"/campaigns/{campaign.id}/checkins", note | body)


async def carried_out(campaign: Campaign, *eager: User) -> None:
    """Let people check in on every day over the API, close the days, and settle."""
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        for user in eager:
            assert (await check_in(user, campaign, day)).status_code in (200, 201)
        await settling.close(campaign, day)
    await settling.settle(campaign)


async def seen_by_staff(api: Api, campaign: Campaign) -> list[list[str]]:
    """The reasons of the cases of a campaign that wait for staff, as the queue tells them."""
    judge = await api.user("judge", Role.CAMPAIGN_MANAGER)
    items = (await judge.get("/staff/invitations/doubtful", params={"limit": 100})).json()["items"]
    return [one["reasons"] for one in items if one["campaign_id"] == campaign.id]


async def payments(api: Api, campaign: Campaign) -> int:
    """How many payments a campaign has made."""
    counted = select(func.count().label("n")).where(
        point_transfers.c.kind == "payment", point_transfers.c.reference == campaign.id
    )
    return int((await api.rows(counted))[0]["n"])


async def test_an_honest_friend_is_paid_for(api: Api) -> None:
    """What the others are held against."""
    campaign, ann, bob = await begun(api), await api.user("ann"), await api.user("bob")
    await here(ann, campaign)
    await here(bob, campaign, (await invite(ann, campaign))["code"])
    await carried_out(campaign, ann, bob)
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (20, 1)
    assert await seen_by_staff(api, campaign) == []


async def test_inviting_oneself(api: Api) -> None:
    campaign, ann = await begun(api), await api.user("ann")
    await here(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    await campaign.leave(ann.id)
    await here(ann, campaign, code)
    await carried_out(campaign, ann)
    assert (await settling.paid(campaign, ann.id), await api.rows(select(invitation_joins))) == (0, [])


async def test_oneself_by_another_address(api: Api) -> None:
    """A plus-address is the same account; dots make another, which is looked at."""
    campaign = await begun(api)
    pages = [await browser(api, SITE) for _ in range(3)]
    await sign_up(api, pages[0], "an.cheater@people.example")
    await sign_up(api, pages[1], "an.cheater+2@people.example", known_as="an.cheater@people.example")
    await sign_up(api, pages[2], "ancheater@people.example")
    at = f"{SITE}/api/v1/campaigns/{campaign.id}"
    assert (await pages[0].post(f"{at}/enrolments", json={})).status_code == 201
    code = (await pages[0].post(f"{at}/invitations", json={})).json()["code"]
    answers = [await page.post(f"{at}/enrolments", json={"invite_code": code}) for page in pages[1:]]
    assert [answer.status_code for answer in answers] == [200, 201]
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        done = await pages[2].post(f"{at}/checkins", json={"note": f"{NOTE} Day {day}."})
        assert done.status_code == 201
        await settling.close(campaign, day)
    await settling.settle(campaign)
    assert await payments(api, campaign) == 0
    assert await seen_by_staff(api, campaign) == [["lookalike_address"]]


@pytest.mark.parametrize("size", [2, 3])
async def test_a_ring(api: Api, size: int) -> None:
    """Each invites the next to another campaign, and the last one the first."""
    ring = [await api.user(f"ring{number}") for number in range(size)]
    for place, inviter in enumerate(ring):
        campaign = await begun(api)
        friend = ring[(place + 1) % size]
        await here(inviter, campaign)
        await here(friend, campaign, (await invite(inviter, campaign))["code"])
        before = await payments(api, campaign)
        await carried_out(campaign, friend)
        closing = place == size - 1
        assert await payments(api, campaign) - before == (0 if closing else 1)
        assert await seen_by_staff(api, campaign) == ([["ring"]] if closing else [])


async def test_a_crowd_from_one_address(api: Api) -> None:
    campaign, ann = await begun(api), await api.user("ann")
    await here(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    crowd = [await here(await api.user(f"one{number}"), campaign, code) for number in range(5)]
    await carried_out(campaign, *crowd)
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (0, 0)
    assert await seen_by_staff(api, campaign) == [["many_from_one_client"]] * 5


async def test_codes_tried_at_random(api: Api) -> None:
    """At least 64 bits, counted tries, and one answer whatever is wrong with a code."""
    ann, eve = await api.user("ann"), await api.user("eve")
    campaign = await begun(api, enrolment="invitation", leader=ann.id)
    made = await invite(ann, campaign)
    taken_back = await invite(ann, campaign, "qr")
    await ann.http.delete(f"/campaigns/{campaign.id}/invitations/{taken_back['id']}")
    codes = [row["code"] for row in await api.rows(select(invitations.c.code))]
    assert all(len(code) * 6 >= 64 for code in codes)
    assert len(set(codes)) == 2
    told = []
    for code in ("guessed", "A" * 22, taken_back["code"], made["code"][:-1]):
        answer = problem(await enrol(eve, campaign, code), 403, "invitation_required")
        told.append({name: value for name, value in answer.items() if name != "request_id"})
    assert told == [told[0]] * 4
    statuses = [(await enrol(eve, campaign, f"try{number}")).status_code for number in range(58)]
    assert statuses == [403] * 56 + [429] * 2
    # The right one comes too late now: guessing on is no use.
    problem(await enrol(eve, campaign, made["code"]), 429, "too_many_requests")
    assert await api.rows(select(invitation_joins)) == []


@pytest.mark.parametrize("day", [1, 2, 3])
async def test_check_ins_for_days_that_are_not_open(api: Api, day: int) -> None:
    """Neither a day to come nor one before the first, nor the open one as missed, nor before or after."""
    campaign, ann, bob = await begun(api), await api.user("ann"), await api.user("bob")
    await here(ann, campaign)
    await here(bob, campaign, (await invite(ann, campaign))["code"])
    assert (await check_in(bob, campaign, 0)).status_code == 409
    await campaign.go(day)
    for wrong in (0, -1, day, day + 1, DAYS, DAYS + 1, 10**6):
        answer = await check_in(bob, campaign, wrong, makeup_for_day=wrong)
        assert answer.status_code in (409, 422), (wrong, answer.text)
    assert await api.rows(select(check_ins)) == []
    await settling.settle(campaign)
    assert (await check_in(bob, campaign, day)).status_code == 409
    assert (await check_in(bob, campaign, day, makeup_for_day=1)).status_code == 409
    assert await payments(api, campaign) == 0


async def test_requests_sent_again(api: Api) -> None:
    """Under their key they are answered as before; without one they change nothing."""
    campaign, ann, bob = await begun(api), await api.user("ann"), await api.user("bob")
    await here(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    key = {"Idempotency-Key": "again"}
    at = f"/campaigns/{campaign.id}"
    joined = [await bob.http.post(f"{at}/enrolments", json={"invite_code": code}, headers=key) for _ in "12"]
    assert joined[0].text == joined[1].text
    await here(bob, campaign, code)
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        body, mark = {"note": f"{NOTE} Day {day}."}, {"Idempotency-Key": f"day{day}"}
        done = [await bob.http.post(f"{at}/checkins", json=body, headers=mark) for _ in range(3)]
        assert len({answer.text for answer in done}) == 1
        other = await bob.http.post(f"{at}/checkins", json={"note": NOTE + " Else."}, headers=mark)
        problem(other, 422, "idempotency_key_reused")
        await check_in(bob, campaign, day)
        await settling.close(campaign, day)
    assert len(await api.rows(select(check_ins))) == DAYS
    assert len(await api.rows(select(invitation_joins))) == 1
    await settling.settle(campaign)
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (20, 1)


async def test_a_late_decision_sent_again_pays_once(api: Api) -> None:
    campaign, ann, bob = await begun(api), await api.user("ann"), await api.user("bob")
    await here(ann, campaign)
    await here(bob, campaign, (await invite(ann, campaign))["code"])
    await api.execute(update(invitation_joins).values(status="doubtful", reasons=["ring"]))
    await carried_out(campaign, bob)
    assert await settling.paid(campaign, ann.id) == 0
    judges = [await api.user(f"judge{number}", Role.CAMPAIGN_MANAGER) for number in range(3)]
    [case] = (await judges[0].get("/staff/invitations/doubtful")).json()["items"]
    decision = f"/staff/invitations/doubtful/{case['id']}/decision"
    asked = [judge.post(decision, {"decision": "count"}) for judge in judges for _ in range(2)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    [done] = [answer.json() for answer in answers if answer.status_code == 200]
    assert done == {"outcome": "paid", "points": 20}
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (20, 1)


async def test_two_tabs_at_once(api: Api) -> None:
    """One join whoever's code is faster, one check-in a day."""
    campaign = await begun(api)
    ann, eve, bob = [await api.user(name) for name in ("ann", "eve", "bob")]
    codes = [(await invite(await here(one, campaign), campaign))["code"] for one in (ann, eve)]
    tabs = await asyncio.gather(*(enrol(bob, campaign, code) for code in codes * 3))
    assert {answer.status_code for answer in tabs} <= {200, 201}
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        await asyncio.gather(*(check_in(bob, campaign, day, link=f"https://a.example/{n}") for n in range(4)))
        await settling.close(campaign, day)
    assert len(await api.rows(select(check_ins))) == DAYS
    await settling.settle(campaign)
    assert await payments(api, campaign) == 1
    assert await settling.paid(campaign, ann.id) + await settling.paid(campaign, eve.id) == 20


async def test_joining_and_leaving_at_once(api: Api) -> None:
    campaign, ann = await begun(api), await api.user("ann")
    await here(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    brief, twice = await api.user("brief"), await api.user("twice")
    for _ in range(3):
        await here(twice, campaign, code)
        await campaign.leave(twice.id)
    await here(brief, campaign, code)
    await campaign.go(1)
    assert (await check_in(brief, campaign, 1)).status_code == 201
    await campaign.leave(brief.id)
    for day in range(1, DAYS + 1):
        await settling.close(campaign, day)
    await settling.settle(campaign)
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (0, 0)
    assert len(await api.rows(select(invitation_joins))) == 2


async def test_friends_of_a_lost_account(api: Api) -> None:
    """Its code leads nowhere any more, and what was earned by it is not paid for friends."""
    campaign, ann = await begun(api), await api.user("ann")
    bob, cid = await api.user("bob"), await api.user("cid")
    await here(ann, campaign)
    code = (await invite(ann, campaign))["code"]
    await here(bob, campaign, code)
    await api.execute(update(people).where(people.c.id == ann.id).values(status="suspended"))
    await here(cid, campaign, code)
    assert (await (await browser(api, SITE)).get(f"/i/{code}")).status_code == 404
    await carried_out(campaign, bob, cid)
    assert [row["friend_id"] for row in await api.rows(select(invitation_joins))] == [bob.id]
    assert (await settling.paid(campaign, ann.id), await payments(api, campaign)) == (0, 0)


async def test_a_friend_whose_account_is_lost(api: Api) -> None:
    campaign, ann, bob = await begun(api), await api.user("ann"), await api.user("bob")
    await here(ann, campaign)
    await here(bob, campaign, (await invite(ann, campaign))["code"])
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        assert (await check_in(bob, campaign, day)).status_code == 201
        if day == DAYS:
            await api.execute(update(people).where(people.c.id == bob.id).values(status="suspended"))
        await settling.close(campaign, day)
    await settling.settle(campaign)
    assert await payments(api, campaign) == 0


async def test_a_leader_who_invites(api: Api) -> None:
    """Friends whom the leader brings count for the campaign; nobody is paid for them."""
    leader = await api.user("leader", Role.LEADER)
    campaign = await begun(api, leader=leader.id)
    bob = await api.user("bob")
    await here(leader, campaign)
    await here(bob, campaign, (await invite(leader, campaign))["code"])
    await carried_out(campaign, leader, bob)
    [row] = await api.rows(select(invitation_joins))
    assert (row["friend_id"], row["status"]) == (bob.id, "activated")
    assert await payments(api, campaign) == 0
    [settled] = await api.rows(select(settlements).where(settlements.c.person_id == leader.id))
    assert settled["invitation_points"] == 0
    growth = (await leader.get(f"/campaigns/{campaign.id}/metrics")).json()["invitations"]
    assert growth["k"]["activated"] == 1
    assert datetime.now(UTC) > settled["settled_at"]
