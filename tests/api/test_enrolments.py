"""Taking part over HTTP: enrolling, leaving, reminders, leaderboards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from db.repositories import people
from db.tables.campaigns import enrolments
from db.tables.people import people as people_rows
from domain.campaigns.terms import Status
from domain.ids import new_id
from settings import Settings
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, problem, running_api


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def enrol(user: User, campaign: Campaign, body: Any = None, **values: Any) -> Any:
    return await user.post(f"/campaigns/{campaign.id}/enrolments", body, **values)


async def test_enrolling_waiting_moving_up_and_leaving(api: Api) -> None:
    campaign = await Campaign.at(api.db, capacity=1)
    ann, bob = await api.user("ann"), await api.user("bob")
    first = await enrol(ann, campaign, {"reminder_hour": 21})
    assert first.status_code == 201, first.text
    mine = first.json()
    assert (mine["campaign_id"], mine["status"], mine["first_day"]) == (campaign.id, "active", 1)
    assert (mine["reminder_hour"], mine["place_in_line"]) == (21, None)
    again = await enrol(ann, campaign)
    assert (again.status_code, again.json()) == (200, mine)
    second = await enrol(bob, campaign)
    assert (second.status_code, second.json()["status"], second.json()["place_in_line"]) == (
        201,
        "waiting",
        1,
    )
    for _ in range(2):
        left = await ann.http.delete(f"/campaigns/{campaign.id}/enrolments/me")
        assert (left.status_code, left.content) == (204, b"")
    assert (await bob.get(f"/campaigns/{campaign.id}/enrolments/me")).json()["status"] == "active"
    assert (await ann.get(f"/campaigns/{campaign.id}/enrolments/me")).json()["status"] == "left"


async def test_a_request_without_a_body_enrols(api: Api) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    assert (await ann.http.post(f"/campaigns/{campaign.id}/enrolments")).status_code == 201


async def test_the_same_key_has_the_same_answer(api: Api) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    key = {"Idempotency-Key": "once"}
    first = await enrol(ann, campaign, {"reminder_hour": 12}, headers=key)
    again = await enrol(ann, campaign, {"reminder_hour": 12}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    problem(await enrol(ann, campaign, {"reminder_hour": 8}, headers=key), 422, "idempotency_key_reused")


async def test_fifty_requests_for_five_places(api: Api) -> None:
    campaign = await Campaign.at(api.db, capacity=5, waiting_list=False)
    users = [await api.user(f"user{number}") for number in range(10)]
    answers = await asyncio.gather(*(enrol(user, campaign) for user in users * 5))
    assert sum(answer.status_code == 201 for answer in answers) == 5
    assert {answer.status_code for answer in answers} == {200, 201, 409}
    found = await api.rows(select(enrolments.c.status))
    assert [row["status"] for row in found] == ["active"] * 5


async def test_who_is_refused(api: Api) -> None:
    ann, bob, cid = [await api.user(name) for name in ("ann", "bob", "cid")]
    closed = await Campaign.at(api.db, status=Status.SCHEDULED)
    invited = await Campaign.at(api.db, enrolment="invitation")
    draft = await Campaign.at(api.db, status=Status.DRAFT)
    full = await Campaign.at(api.db, members=1, capacity=1, waiting_list=False)
    start = datetime.now(UTC) - timedelta(hours=1)
    await api.db.write(lambda conn: people.sanction(conn, bob.id, kind="ban", reason="spam", starts_at=start))
    await api.execute(update(people_rows).where(people_rows.c.id == cid.id).values(good_standing=False))
    problem(await enrol(ann, closed), 409, "enrolment_closed")
    problem(await enrol(ann, invited), 403, "invitation_required")
    problem(await enrol(ann, invited, {"invite_code": "guessed"}), 403, "invitation_required")
    problem(await enrol(ann, draft), 404, "not_found")
    problem(await enrol(ann, full), 409, "campaign_full")
    for user in (bob, cid):
        problem(await enrol(user, await Campaign.at(api.db)), 403, "enrolment_barred")
    await api.execute(update(people_rows).where(people_rows.c.id == ann.id).values(status="suspended"))
    problem(await enrol(ann, await Campaign.at(api.db)), 401, "sign_in_required")


async def test_what_does_not_exist_and_what_is_over(api: Api) -> None:
    campaign, ann = await Campaign.at(api.db, day=31, status=Status.SETTLING), await api.user("ann")
    member = await Campaign.at(api.db)
    await enrol(ann, member)
    nowhere = Campaign(api.db, new_id(), ann.id)
    problem(await enrol(ann, nowhere), 404, "not_found")
    for path in ("enrolments/me", "me"):
        problem(await ann.get(f"/campaigns/{campaign.id}/{path}"), 403, "not_enrolled")
    problem(await ann.get(f"/campaigns/{nowhere.id}/me"), 404, "not_found")
    problem(await ann.get(f"/campaigns/{nowhere.id}/leaderboard"), 404, "not_found")
    problem(await ann.http.delete(f"/campaigns/{campaign.id}/enrolments/me"), 403, "not_enrolled")
    problem(await ann.http.delete(f"/campaigns/{nowhere.id}/enrolments/me"), 404, "not_found")
    await member.go(31, Status.SETTLING)
    problem(await ann.http.delete(f"/campaigns/{member.id}/enrolments/me"), 409, "campaign_not_open")


@pytest.mark.parametrize(
    "body",
    [
        {"reminder_hour": -1},
        {"reminder_hour": 24},
        {"reminder_hour": "8 o'clock"},
        {"reminder_hour": 8.5},
        {"invite_code": ""},
        {"invite_code": "a" * 65},
        {"invite_code": "two words"},
        {"invite_code": "line\nbreak"},
        {"campaign": "another"},
        [],
    ],
)
async def test_bad_input_enrols_nobody(api: Api, body: Any) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    problem(await enrol(ann, campaign, body), 422, "validation_failed")
    assert await api.rows(select(enrolments)) == []


async def test_the_hour_of_the_reminder(api: Api) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    path = f"/campaigns/{campaign.id}/enrolments/me"
    problem(await ann.http.patch(path, json={"reminder_hour": 3}), 403, "not_enrolled")
    await enrol(ann, campaign)
    for hour in (8, 21, None):
        changed = await ann.http.patch(path, json={"reminder_hour": hour})
        assert (changed.status_code, changed.json()["reminder_hour"]) == (200, hour)
    # Only at some hours anybody is reminded.
    refused = problem(await ann.http.patch(path, json={"reminder_hour": 9}), 422, "reminder_hour_not_offered")
    assert "8, 12, 18, 21" in refused["detail"]
    bob = await api.user("bob")
    problem(await enrol(bob, campaign, {"reminder_hour": 9}), 422, "reminder_hour_not_offered")
    problem(await bob.get(path), 403, "not_enrolled")
    for body in ({}, {"reminder_hour": 24}, {"reminder_hour": -1}, {"status": "active"}):
        problem(await ann.http.patch(path, json=body), 422, "validation_failed")


async def with_days(api: Api, campaign: Campaign, users: list[User], days: list[int]) -> None:
    for user, number in zip(users, days, strict=True):
        await enrol(user, campaign)
        values = {"days_done": number, "best_streak": number // 2}
        await api.execute(update(enrolments).where(enrolments.c.person_id == user.id).values(**values))


async def test_a_leaderboard_in_pages_with_the_own_place(api: Api) -> None:
    campaign = await Campaign.at(api.db)
    users = [await api.user(f"user{number}") for number in range(6)]
    await with_days(api, campaign, users, [9, 9, 7, 7, 7, 0])
    path, seen, cursor = f"/campaigns/{campaign.id}/leaderboard?limit=2", [], None
    while True:
        page = (await users[3].get(path + (f"&cursor={cursor}" if cursor else ""))).json()
        assert (page["by"], page["own"]) == ("days", {"place": 3, "value": 7})
        seen += [(line["place"], line["person"]["id"], line["value"]) for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    ids = [user.id for user in users]
    assert seen == [*((1, one, 9) for one in sorted(ids[:2])), *((3, one, 7) for one in sorted(ids[2:5]))]
    assert (await users[5].get(path)).json()["own"] is None
    streaks = (await users[0].get(f"/campaigns/{campaign.id}/leaderboard?by=streak")).json()
    assert [line["value"] for line in streaks["items"]] == [4, 4, 3, 3, 3]
    friends = (await users[0].get(f"/campaigns/{campaign.id}/leaderboard?by=invitations")).json()
    assert (friends["items"], friends["own"]) == ([], None)


async def test_a_cursor_is_good_for_its_own_board_and_tells_each_their_own_place(api: Api) -> None:
    campaign = await Campaign.at(api.db)
    ann, bob = users = [await api.user(name) for name in ("ann", "bob")]
    await with_days(api, campaign, users, [9, 4])
    path = f"/campaigns/{campaign.id}/leaderboard?limit=1"
    cursor = (await ann.get(path)).json()["next_cursor"]
    assert (await bob.get(f"{path}&cursor={cursor}")).json()["own"] == {"place": 2, "value": 4}
    problem(await ann.get(f"{path}&by=streak&cursor={cursor}"), 400, "cursor_invalid")
    problem(await ann.get(f"{path}&cursor={cursor}x"), 400, "cursor_invalid")
    problem(await ann.get(f"/campaigns/{campaign.id}/leaderboard?by=points"), 422, "validation_failed")
    other = await api.rows(select(enrolments.c.person_id))
    assert len(other) == 2


async def test_the_leader_takes_part_and_is_on_no_board(api: Api) -> None:
    leader, ann = await api.user("leader"), await api.user("ann")
    campaign = await Campaign.at(api.db, leader=leader.id)
    await with_days(api, campaign, [leader, ann], [30, 1])
    page = (await leader.get(f"/campaigns/{campaign.id}/leaderboard")).json()
    assert page["own"] is None
    assert [(line["place"], line["person"]["id"]) for line in page["items"]] == [(1, ann.id)]
