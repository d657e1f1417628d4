"""Checking in over HTTP: one answer for each day, and the member's own view of the campaign."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from db.tables.campaigns import campaigns, check_ins
from domain.campaigns.terms import Status
from domain.ids import new_id
from settings import Settings
from tests.support import settling
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import Api, User, problem, running_api

REWARDS = {"check_in": 2, "streaks": ({"days": 2, "points": 10},), "completion": 50}
ZONES = ("Pacific/Kiritimati", "Asia/Shanghai", "Pacific/Pago_Pago")
"""A whole day apart, and where the campaign is."""


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def check_in(user: User, campaign: Campaign, body: Any = None, **values: Any) -> Any:
    return await user.post(f"/campaigns/{campaign.id}/checkins", body or {"note": NOTE}, **values)


async def member_of(api: Api, campaign: Campaign, name: str = "ann") -> User:
    user = await api.user(name)
    assert await campaign.enrol(user.id) == "enrolled"
    return user


async def running(api: Api, **changes: Any) -> tuple[Campaign, User]:
    campaign = await Campaign.at(api.db, rewards=REWARDS, **changes)
    user = await member_of(api, campaign)
    await campaign.go(1)
    return campaign, user


async def test_a_check_in_and_its_replay(api: Api) -> None:
    campaign, ann = await running(api)
    first = await check_in(ann, campaign)
    assert first.status_code == 201, first.text
    answer = first.json()
    assert {name: answer[name] for name in ("day", "streak", "points")} == {
        "day": 1,
        "streak": 1,
        "points": 2,
    }
    again = await check_in(ann, campaign)
    assert (again.status_code, again.json()) == (201, answer)
    problem(await check_in(ann, campaign, {"note": NOTE + " And more."}), 409, "already_checked_in")
    await campaign.go(2)
    assert (await check_in(ann, campaign)).json()["points"] == 12
    stored = await api.rows(select(check_ins.c.note, check_ins.c.day).order_by(check_ins.c.day))
    assert stored == [{"note": NOTE, "day": 1}, {"note": NOTE, "day": 2}]


async def test_check_ins_are_too_many_for_the_log(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # A slow one is told, and on a machine under load any may be.
    monkeypatch.setattr("api.envelope.SLOW_SECONDS", float("inf"))
    campaign, ann = await running(api)
    with capture_logs() as logged:
        assert (await check_in(ann, campaign)).status_code == 201
        assert (await ann.http.delete(f"/campaigns/{campaign.id}/enrolments/me")).status_code == 204
    levels = {line["route"].rpartition("/")[2]: line["log_level"] for line in logged}
    assert levels == {"checkins": "debug", "me": "info"}


async def test_a_key_repeats_a_check_in_after_its_day(api: Api) -> None:
    campaign, ann = await running(api)
    key = {"Idempotency-Key": "k"}
    first = await check_in(ann, campaign, headers=key)
    await campaign.go(2)
    again = await check_in(ann, campaign, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    problem(await check_in(ann, campaign, {"note": NOTE * 2}, headers=key), 422, "idempotency_key_reused")
    bad = {"Idempotency-Key": "k" * 129}
    problem(await check_in(ann, campaign, headers=bad), 400, "idempotency_key_invalid")
    # The key of one is no key of another.
    await campaign.go(1)
    bob = await member_of(api, campaign, "bob")
    assert (await check_in(bob, campaign, headers=key)).json()["id"] != first.json()["id"]


async def test_two_tabs_and_replays_at_once_are_one_check_in(api: Api) -> None:
    campaign, ann = await running(api)
    bodies = [{"note": NOTE}] * 12 + [{"note": f"{NOTE} {number}"} for number in range(12)]
    answers = await asyncio.gather(*(check_in(ann, campaign, body) for body in bodies))
    taken = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert len(set(taken)) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(await api.rows(select(check_ins.c.id))) == 1


async def test_check_ins_taken_together_each_have_their_own_answer(api: Api) -> None:
    campaign, ann = await running(api)
    bob, stranger = await member_of(api, campaign, "bob"), await api.user("stranger")
    told = await asyncio.gather(
        check_in(ann, campaign),
        check_in(bob, campaign, {"note": "short"}),
        check_in(stranger, campaign),
        check_in(ann, Campaign(api.db, new_id(), ann.id)),
        check_in(User("", api.anyone), campaign),
    )
    assert [answer.status_code for answer in told] == [201, 422, 403, 404, 401]
    problem(told[1], 422, "note_too_short")
    problem(told[2], 403, "not_enrolled")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"note": ""}, "validation_failed"),
        ({"note": "   \n "}, "validation_failed"),
        ({"note": 5}, "validation_failed"),
        ({"note": "x" * 5_001}, "validation_failed"),
        ({"note": "nul \x00"}, "validation_failed"),
        ({"note": NOTE, "link": ""}, "validation_failed"),
        ({"note": NOTE, "link": "https://people.example/" + "a" * 500}, "validation_failed"),
        ({"note": NOTE, "link": "javascript:alert(1)"}, "web_address_invalid"),
        ({"note": NOTE, "link": "https://a:b@people.example/"}, "web_address_invalid"),
        ({"note": NOTE, "link": "https://people.example/\nx"}, "validation_failed"),
        ({"note": "ha" * 200}, "note_repeats_itself"),
        ({"note": "only nineteen char."}, "note_too_short"),
        ({"link": "https://people.example/"}, "note_too_short"),
        ({"note": NOTE, "makeup_for_day": 0}, "validation_failed"),
        ({"note": NOTE, "makeup_for_day": 366}, "validation_failed"),
        ({"note": NOTE, "makeup_for_day": "1"}, None),
        ({"note": NOTE, "day": 3}, "validation_failed"),
        ({"note": NOTE, "person_id": "x"}, "validation_failed"),
        ({}, "validation_failed"),
    ],
)
async def test_bad_input_is_no_check_in(api: Api, body: dict[str, Any], code: str | None) -> None:
    campaign, ann = await running(api)
    answer = await ann.post(f"/campaigns/{campaign.id}/checkins", body)
    problem(answer, 409 if code is None else 422, code or "make_up_day_not_over")
    assert await api.rows(select(check_ins)) == []


async def test_notes_at_their_limits_are_kept_as_they_are(api: Api) -> None:
    campaign, ann = await running(api, requirement={"proofs": ["note"], "min_note_characters": 20})
    note = " ".join(f"第{number}天" for number in range(2_000))[:4_999] + "完"
    assert (await check_in(ann, campaign, {"note": note})).status_code == 201
    await campaign.go(2)
    assert (await check_in(ann, campaign, {"note": "twenty chars to read"})).status_code == 422
    assert (await check_in(ann, campaign, {"note": "twenty-three chars to read"})).status_code == 201
    stored = await api.rows(select(check_ins.c.note).where(check_ins.c.day == 1))
    assert stored == [{"note": note}]


async def test_a_link_alone_where_the_plan_takes_links(api: Api) -> None:
    campaign, ann = await running(api, requirement={"proofs": ["note", "link"]})
    assert (await check_in(ann, campaign, {"link": "https://people.example/a?b=c"})).status_code == 201


async def test_only_the_day_that_the_process_wrote_counts(api: Api) -> None:
    campaign, ann = await running(api)
    await campaign.go(0, Status.ENROLLING)
    problem(await check_in(ann, campaign), 409, "campaign_wrong_status")
    await campaign.go(1, Status.PAUSED)
    problem(await check_in(ann, campaign), 409, "campaign_wrong_status")
    await campaign.go(31, Status.SETTLING)
    problem(await check_in(ann, campaign), 409, "campaign_not_open")
    await campaign.go(5)
    problem(await check_in(ann, campaign, {"note": NOTE, "makeup_for_day": 6}), 409, "make_up_day_not_over")
    assert (await check_in(ann, campaign)).json()["day"] == 5


async def test_a_check_in_is_dated_by_the_campaigns_clock(api: Api) -> None:
    campaign, ann = await running(api)
    ahead = timedelta(days=40)
    await api.execute(update(campaigns).values(clock_offset_seconds=ahead.total_seconds()))
    await check_in(ann, campaign)
    [row] = await api.rows(select(check_ins.c.at))
    today = (await ann.get(f"/campaigns/{campaign.id}/me")).json()
    assert row["at"].isoformat()[:10] == today["now"][:10]


async def test_who_travels_has_the_days_of_the_campaign(api: Api) -> None:
    """Wherever the account says it is: one check-in a day, none of them missed, and the same dates."""
    campaign, ann = await running(api, time_zone="Asia/Shanghai", length_days=4)
    at, seen = f"/campaigns/{campaign.id}", []
    for day, zones in enumerate((ZONES, ZONES[::-1], ZONES), start=1):
        await campaign.go(day)
        taken = set()
        for zone in zones:
            assert (await ann.http.patch("/me", json={"time_zone": zone})).status_code == 200
            taken.add((await check_in(ann, campaign)).json()["id"])
            mine = (await ann.get(f"{at}/me")).json()
            assert (mine["day"], mine["days_done"], mine["streak"]) == (day, day, day)
            seen.append([one["on"] for one in mine["days"]])
            board = (await ann.get(f"{at}/leaderboard")).json()["items"]
            assert [one["value"] for one in board] == [day]
        assert len(taken) == 1
        await settling.close(campaign, day)
    assert seen == [[f"2026-03-0{number}" for number in range(2, 6)]] * len(seen)
    assert (await campaign.member(ann.id))["missed"] == 0


async def test_my_day(api: Api) -> None:
    campaign, ann = await running(
        api, rest_weekdays=(6,), make_up={"cards": 2, "window_days": 3}, length_days=9
    )
    before = (await ann.get(f"/campaigns/{campaign.id}/me")).json()
    assert (before["day"], before["done_today"], before["rank"], before["points_so_far"]) == (
        1,
        False,
        None,
        0,
    )
    for day in (1, 2, 5):
        await campaign.go(day)
        assert (await check_in(ann, campaign)).status_code == 201
    await campaign.go(6)
    answer = await check_in(ann, campaign, {"note": NOTE, "makeup_for_day": 4})
    assert (answer.json()["day"], answer.json()["streak"]) == (4, 2)
    await campaign.go(8)
    mine = (await ann.get(f"/campaigns/{campaign.id}/me")).json()
    assert mine["missed_days"] == [6]
    expected = {
        "day": 8,
        "done_today": False,
        "rest_today": False,
        "streak": 0,
        "best_streak": 2,
        "days_done": 4,
        "cards_left": 1,
        "points_so_far": 4 * 2 + 10,
        "rank": 1,
        "status": "active",
        "campaign_status": "running",
    }
    assert {name: mine[name] for name in expected} == expected
    assert [one["state"] for one in mine["days"]] == [
        "done",
        "done",
        "missed",
        "made_up",
        "done",
        "missed",
        "rest",
        "open",
        "ahead",
    ]
    assert [one["day"] for one in mine["days"] if one["can_make_up"]] == [6]
    assert (mine["days"][0]["on"], mine["days"][6]["on"]) == ("2026-03-02", "2026-03-08")


async def test_my_day_of_who_came_late_waits_or_left(api: Api) -> None:
    campaign, _ = await running(api, capacity=2)
    await campaign.go(3)
    bob = await member_of(api, campaign, "bob")
    days = (await bob.get(f"/campaigns/{campaign.id}/me")).json()["days"]
    assert [one["state"] for one in days[:4]] == ["before", "before", "open", "ahead"]
    await campaign.go(5)
    await campaign.leave(bob.id)
    mine = (await bob.get(f"/campaigns/{campaign.id}/me")).json()
    assert (mine["status"], mine["missed_days"], mine["rank"]) == ("left", [], None)
