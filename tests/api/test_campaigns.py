"""Campaigns over the JSON API: drafts, approval, steering."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from contracts.base import CAMPAIGN_QUEUE, task_queue
from db.repositories import points
from domain.people import Role
from domain.points import Source
from settings import Settings
from tests.support.vetting_api import Api, User, problem, running_api
from worker import campaign_worker

START = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()


@pytest.fixture
async def api(settings: Settings, sqlite_url: str, temporal_client: Client) -> AsyncIterator[Api]:
    given = settings.model_copy(update={"database_url": sqlite_url, **served_by(temporal_client)})
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(given, temporal_client))
        queue = task_queue(given.task_queue_prefix, CAMPAIGN_QUEUE)
        await stack.enter_async_context(campaign_worker(temporal_client, api.db, queue))
        yield api


def served_by(client: Client) -> dict[str, Any]:
    return {
        "temporal_address": client.service_client.config.target_host,
        "temporal_namespace": client.namespace,
    }


async def fed(api: Api, amount: int = 1_000_000) -> None:
    await api.db.write(
        lambda conn: points.deposit(
            conn,
            key="first",
            amount=amount,
            source=Source.SPONSORSHIP,
            reference="a sponsor",
            actor_id=None,
            at=datetime.now(UTC),
        )
    )


async def drafted(leader: User, **given: Any) -> dict[str, Any]:
    created = await leader.post("/campaigns", {"template": "learning_plan", "starts_on": START, **given})
    assert created.status_code == 201, created.text
    assert created.headers["etag"] == '"v1"'
    found: dict[str, Any] = created.json()
    return found


async def test_a_draft_begins_as_its_template_and_can_be_changed(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    draft = await drafted(leader)
    assert draft["title"]
    assert (draft["status"], draft["plan"]["length_days"], draft["editable"]) == ("draft", 30, True)
    plan = draft["plan"] | {"length_days": 10, "capacity": 20}
    path = f"/campaigns/{draft['id']}"
    changed = await leader.http.patch(
        path, json={"title": "Ten days", "plan": plan}, headers={"If-Match": '"v1"'}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["title"], changed.json()["length_days"]) == ("Ten days", 10)
    assert changed.json()["liability"] < draft["liability"]
    stale = await leader.http.patch(path, json={"title": "Late"}, headers={"If-Match": '"v1"'})
    problem(stale, 412, "edit_conflict")
    problem(await leader.http.patch(path, json={"title": "No"}), 428, "precondition_required")
    assert [one["id"] for one in (await leader.get("/me/campaigns")).json()["items"]] == [draft["id"]]


async def test_nobody_sees_a_draft_but_its_leader_and_staff(api: Api) -> None:
    leader = await api.user("leader", Role.PROVISIONAL_LEADER)
    other, member = await api.user("other", Role.LEADER), await api.user("member")
    manager = await api.user("manager", Role.CAMPAIGN_MANAGER)
    draft = await drafted(leader)
    path = f"/campaigns/{draft['id']}"
    for stranger in (other, member):
        problem(await stranger.get(path), 404, "not_found")
        problem(await stranger.post(f"{path}/submit"), 404, "not_found")
        assert (await stranger.get("/campaigns")).json()["items"] == []
    assert (await manager.get(path)).status_code == 200
    problem(
        await member.post("/campaigns", {"template": "skill_share", "starts_on": START}), 403, "forbidden"
    )
    gone = await leader.post(f"{path}/cancel")
    assert gone.status_code == 204
    problem(await leader.get(path), 404, "not_found")


async def test_handed_in_approved_and_steered(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    manager = await api.user("manager", Role.CAMPAIGN_MANAGER)
    draft = await drafted(leader)
    path = f"/campaigns/{draft['id']}"
    key = {"Idempotency-Key": "once"}
    first = await leader.post(f"{path}/submit", headers=key)
    assert (first.status_code, first.json()["status"]) == (200, "in_review"), first.text
    again = await leader.post(f"{path}/submit", headers=key)
    assert again.json() == first.json()
    problem(await leader.post(f"{path}/submit"), 409, "campaign_wrong_status")
    waiting = (await manager.get("/staff/campaigns")).json()["items"]
    assert [one["id"] for one in waiting] == [draft["id"]]
    refused = problem(await manager.post(f"{path}/review", {"decision": "approve"}), 409, "pool_too_small")
    assert refused["available"] == 0
    problem(await manager.post(f"{path}/review", {"decision": "reject"}), 422, "reasons_required")
    await fed(api)
    approved = (await manager.post(f"{path}/review", {"decision": "approve", "note": "Good luck."})).json()
    assert (approved["status"], approved["reserved"]) == ("scheduled", draft["liability"])
    assert approved["if_nothing_happens_text"]
    extended = (await leader.post(f"{path}/extend", {"days": 2})).json()
    assert (extended["length_days"], extended["reserved"] > approved["reserved"]) == (32, True)
    problem(await leader.post(f"{path}/pause"), 409, "campaign_wrong_status")
    member = await api.user("member")
    (listed,) = (await member.get("/campaigns")).json()["items"]
    last = datetime.fromisoformat(START).date() + timedelta(days=31)
    # The last of 32 days ends at four in the night after it.
    assert listed["id"] == draft["id"]
    assert (listed["first_date"], listed["last_date"]) == (START, last.isoformat())
    ended = (await manager.post(f"{path}/cancel", {"reason": "The sponsor left."})).json()
    assert ended["status"] == "cancelled"
    problem(await leader.post(f"{path}/extend", {"days": 2}), 409, "campaign_not_open")


async def test_what_was_handed_in_cannot_be_changed_or_deleted(api: Api) -> None:
    """Neither the zone in which its days end nor what it pays, from the moment that staff may look at it."""
    leader, manager = await api.user("leader", Role.LEADER), await api.user("manager", Role.CAMPAIGN_MANAGER)
    await fed(api)
    draft = await drafted(leader)
    path = f"/campaigns/{draft['id']}"
    changes = ({"time_zone": "Pacific/Pago_Pago"}, {"rewards": {"completion": 1000}}, {"length_days": 5})

    async def stands() -> None:
        before = await leader.get(path)
        for change in changes:
            body, mark = {"plan": draft["plan"] | change}, {"If-Match": before.headers["etag"]}
            problem(await leader.http.patch(path, json=body, headers=mark), 409, "campaign_not_editable")
        assert (await leader.get(path)).json() | {"now": None} == before.json() | {"now": None}

    await leader.post(f"{path}/submit")
    await stands()
    approved = await manager.post(f"{path}/review", {"decision": "approve"})
    assert approved.json()["status"] == "scheduled"
    await stands()
    # Called off, it is kept: whoever had a place in it is told what became of it.
    assert (await leader.post(f"{path}/cancel")).json()["status"] == "cancelled"
    await stands()


async def test_prizes_for_headcount_cannot_be_handed_in(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    plan = {"starts_on": START, "rewards": {"ranks": [{"board": "invitations", "place": 1, "points": 5}]}}
    draft = await drafted(leader, plan=plan)
    assert draft["warnings"]
    refused = problem(await leader.post(f"/campaigns/{draft['id']}/submit"), 422, "plan_unlawful")
    assert refused["warnings"]
    assert (await leader.get(f"/campaigns/{draft['id']}")).json()["status"] == "draft"


async def test_the_clock_of_a_campaign_can_be_moved(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    manager = await api.user("manager", Role.CAMPAIGN_MANAGER)
    await fed(api)
    draft = await drafted(leader)
    path = f"/campaigns/{draft['id']}"
    await leader.post(f"{path}/submit")
    await manager.post(f"{path}/review", {"decision": "approve"})
    moved = await leader.post(
        "/dev/clock/advance", {"process": f"campaign/{draft['id']}", "duration": "P11D"}
    )
    assert moved.status_code == 200, moved.text
    seen = (await leader.get(path)).json()
    assert (seen["status"], seen["day"] >= 1) == ("running", True)
    figures = (await leader.get(f"{path}/metrics")).json()
    assert [day["day"] for day in figures["days"]][-1] == seen["day"]


BAD: list[dict[str, Any]] = [
    {"template": "unknown"},
    {"starts_on": "2026-02-30"},
    {"title": "two\nlines"},
    {"title": ""},
    {"title": "x" * 121},
    {"description": "x" * 5001},
    {"plan": {"starts_on": START, "time_zone": "Mars/Olympus"}},
    {"plan": {"starts_on": START, "length_days": 0}},
    {"plan": {"starts_on": START, "capacity": 10**9}},
    {"plan": {"starts_on": "2030-01-01"}},
    {"starts_on": "9999-12-31", "plan": {"starts_on": "9999-12-31"}},
    {"plan": {"starts_on": START, "surprise": 1}},
    {"nonsense": True},
]


async def test_bad_plans_are_named(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    for given in BAD:
        answer = await leader.post("/campaigns", {"template": "learning_plan", "starts_on": START} | given)
        document = problem(answer, 422, "validation_failed")
        assert document["errors"], given
    assert (await leader.get("/me/campaigns")).json()["items"] == []
