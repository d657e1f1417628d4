"""Contributions over the API: once each, told one by one, by programs that were given the right."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, insert, select, update

from db.tables.campaigns import campaigns
from db.tables.contributions import contributions
from db.tables.vetting import applications
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.browser import add_person, browser, enrol, sign_in
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, problem, running_api

PATH = "/contributions"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        await add_person(running, "lin")
        yield running


@pytest.fixture
async def platform(api: Api) -> httpx2.AsyncClient:
    """A platform with a token that an administrator made."""
    await add_person(api, "root", Role.ADMIN)
    client = await browser(api)
    await sign_in(api, client, "root@people.example")
    await enrol(client)
    wanted = {"name": "forum", "scopes": ["contributions:write"]}
    made = await client.post("/auth/tokens", json=wanted)
    assert made.status_code == 201, made.text
    return await browser(api, Authorization=f"Bearer {made.json()['token']}")


def post(reference: str = "1", **values: Any) -> dict[str, Any]:
    given = {
        "source": "forum",
        "reference": reference,
        "kind": "post",
        "email": "lin@people.example",
        "occurred_at": "2026-01-31T08:00:00+08:00",
    }
    return {**given, **values}


async def stored(api: Api) -> int:
    rows = await api.rows(select(func.count().label("number")).select_from(contributions))
    return int(rows[0]["number"])


async def test_one_is_recorded_once(api: Api, platform: httpx2.AsyncClient) -> None:
    first = await platform.post(PATH, json=post())
    assert (first.status_code, first.json()) == (201, {"outcome": "recorded"})
    again = await platform.post(PATH, json=post(occurred_at="2026-01-31T00:00:00Z"))
    assert (again.status_code, again.json()) == (200, {"outcome": "duplicate"})
    other = await platform.post(PATH, json=post(kind="share"))
    problem(other, 409, "contribution_conflict")
    assert await stored(api) == 1


async def test_a_batch_takes_the_good_and_tells_of_each(api: Api, platform: httpx2.AsyncClient) -> None:
    await platform.post(PATH, json=post("0"))
    items = [
        post("0"),
        post("0", kind="read"),
        post("1"),
        post("1"),
        post("2", email="nobody@people.example"),
        post("3", kind="rating", actor_reference="u7", stars=6),
        "not even an object",
        post("4", surprise=True),
        post("5", kind="rating", actor_reference="u7", stars=5),
    ]
    answer = await platform.post(PATH, json={"items": items})
    assert answer.status_code == 200
    told = answer.json()
    assert [item["outcome"] for item in told["items"]] == [
        "duplicate",
        "conflict",
        "recorded",
        "duplicate",
        "unknown_person",
        "invalid",
        "invalid",
        "invalid",
        "recorded",
    ]
    assert [item["index"] for item in told["items"]] == list(range(9))
    assert (told["recorded"], told["duplicates"], told["refused"]) == (2, 2, 5)
    fields = [[error["field"] for error in item["errors"] or []] for item in told["items"][5:8]]
    assert fields == [["stars"], ["body"], ["surprise"]]
    assert await stored(api) == 3


async def test_a_thousand_at_once_and_not_one_more(api: Api, platform: httpx2.AsyncClient) -> None:
    items = [post(str(number)) for number in range(1000)]
    answer = await platform.post(PATH, json={"items": items})
    assert (answer.status_code, answer.json()["recorded"]) == (200, 1000)
    again = await platform.post(PATH, json={"items": items})
    assert again.json()["duplicates"] == 1000
    problem(await platform.post(PATH, json={"items": [*items, post("x")]}), 422, "validation_failed")
    problem(await platform.post(PATH, json={"items": []}), 422, "validation_failed")
    assert await stored(api) == 1000


async def test_a_batch_with_a_key_is_answered_again(api: Api, platform: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "batch-1"}
    first = await platform.post(PATH, json={"items": [post("1"), post("2")]}, headers=key)
    again = await platform.post(PATH, json={"items": [post("1"), post("2")]}, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"email": "nobody@people.example"}, 422, "person_unknown"),
        ({"email": None, "person_id": new_id()}, 422, "person_unknown"),
        ({"email": None}, 422, "validation_failed"),
        ({"person_id": new_id()}, 422, "validation_failed"),
        ({"kind": "applause"}, 422, "validation_failed"),
        ({"source": ""}, 422, "validation_failed"),
        ({"source": "x" * 65}, 422, "validation_failed"),
        ({"reference": "x" * 161}, 422, "validation_failed"),
        ({"reference": "a\x00b"}, 422, "validation_failed"),
        ({"occurred_at": "2026-01-31T08:00:00"}, 422, "validation_failed"),
        ({"occurred_at": "soon"}, 422, "validation_failed"),
        ({"occurred_at": "1999-12-31T00:00:00Z"}, 422, "validation_failed"),
        ({"kind": "answer"}, 422, "validation_failed"),
        ({"kind": "answer", "hours_to_answer": -1}, 422, "validation_failed"),
        ({"kind": "rating", "actor_reference": "u", "stars": 0}, 422, "validation_failed"),
        ({"kind": "rating", "stars": 5}, 422, "validation_failed"),
        ({"stars": 5}, 422, "validation_failed"),
    ],
)
async def test_what_does_not_fit_is_refused(
    sqlite_url: str, settings: Settings, values: dict[str, Any], status: int, code: str
) -> None:
    relaxed = {"database_url": sqlite_url, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=relaxed)) as api:
        await add_person(api, "lin")
        await add_person(api, "root", Role.ADMIN)
        client = await browser(api)
        await sign_in(api, client, "root@people.example")
        body = {name: value for name, value in post(**values).items() if value is not None}
        document = problem(await client.post(PATH, json=body), status, code)
        if code == "validation_failed":
            assert all("#" not in error["field"] for error in document["errors"])
        assert await stored(api) == 0


async def test_nothing_comes_from_the_future(api: Api, platform: httpx2.AsyncClient) -> None:
    now = datetime.now(UTC)
    soon, later = (now + timedelta(minutes=4)).isoformat(), (now + timedelta(days=20)).isoformat()
    assert (await platform.post(PATH, json=post("1", occurred_at=soon))).status_code == 201
    problem(await platform.post(PATH, json=post("2", occurred_at=later)), 422, "occurred_in_future")
    batch = await platform.post(PATH, json={"items": [post("3"), post("4", occurred_at=later)]})
    assert [item["outcome"] for item in batch.json()["items"]] == ["recorded", "in_future"]


async def test_where_time_was_skipped_the_future_begins_later(api: Api, platform: httpx2.AsyncClient) -> None:
    person = (await api.anyone.get("/dev/people")).json()["items"]
    lin = next(entry["id"] for entry in person if entry["email"] == "lin@people.example")
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "person_id": lin,
        "tags": [],
        "links": [],
        "flags": [],
        "reasons": [],
        "created_at": now,
        "updated_at": now,
        "clock_offset_seconds": timedelta(days=30).total_seconds(),
    }
    await api.execute(insert(applications).values(**row))
    inside, beyond = now + timedelta(days=29), now + timedelta(days=31)
    assert (await platform.post(PATH, json=post("1", occurred_at=inside.isoformat()))).status_code == 201
    refused = await platform.post(PATH, json=post("2", occurred_at=beyond.isoformat()))
    problem(refused, 422, "occurred_in_future")


async def test_who_takes_part_in_a_campaign_ahead_of_the_wall_clock_shares_at_its_time(
    api: Api, platform: httpx2.AsyncClient
) -> None:
    people = (await api.anyone.get("/dev/people")).json()["items"]
    lin = next(entry["id"] for entry in people if entry["email"] == "lin@people.example")
    campaign = await Campaign.at(api.db, day=2)
    inside = (datetime.now(UTC) + timedelta(days=29)).isoformat()
    ahead = {"clock_offset_seconds": timedelta(days=30).total_seconds()}
    await api.execute(update(campaigns).where(campaigns.c.id == campaign.id).values(**ahead))
    problem(await platform.post(PATH, json=post("1", occurred_at=inside)), 422, "occurred_in_future")
    await campaign.enrol(lin)
    assert (await platform.post(PATH, json=post("2", occurred_at=inside))).status_code == 201
