"""Amnesties over the JSON API and the staff page, on both databases, with the process behind them."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from temporalio.client import Client

from contracts.base import CAMPAIGN_QUEUE, campaign_process_id, task_queue
from db.repositories import points
from db.tables.campaigns import campaigns, enrolments
from db.tables.mail import mails
from db.tables.people import notes
from domain.campaigns.members import shard_of
from domain.people import Role
from domain.points import Source
from engine.processes import free_port
from settings import Settings
from tests.api.test_campaign_pages import en, look, send, window
from tests.support.campaigns import Campaign
from tests.support.vetting import until
from tests.support.vetting_api import Api, User, problem, running_api
from worker import campaign_worker

FIVE_IN_THE_MORNING = timedelta(hours=5)


@pytest.fixture
async def served(settings: Settings, database_url: str, temporal_client: Client) -> AsyncIterator[Api]:
    values = {
        "database_url": database_url,
        "temporal_address": temporal_client.service_client.config.target_host,
        "temporal_namespace": temporal_client.namespace,
        "staff_second_factor": False,
    }
    given = settings.model_copy(update=values)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(given, temporal_client))
        queue = task_queue(given.task_queue_prefix, CAMPAIGN_QUEUE)
        await stack.enter_async_context(campaign_worker(temporal_client, api.db, queue))
        yield api


async def third_day(api: Api, leader: User, manager: User) -> tuple[str, str]:
    """A campaign of somebody on its third day, and its one member, who never checked in."""
    await api.db.write(
        lambda conn: points.deposit(
            conn,
            key="first",
            amount=1_000_000,
            source=Source.SPONSORSHIP,
            reference="a sponsor",
            actor_id=None,
            at=datetime.now(UTC),
        )
    )
    plan = _plan()
    body = {"template": "learning_plan", "starts_on": plan["starts_on"], "plan": plan}
    draft = (await leader.post("/campaigns", body)).json()
    path = f"/campaigns/{draft['id']}"
    assert (await leader.post(f"{path}/submit")).status_code == 200
    approved = await manager.post(f"{path}/review", {"decision": "approve"})
    assert approved.json()["status"] == "enrolling", approved.text
    member = await api.user("ann")
    await api.execute(
        insert(enrolments).values(
            campaign_id=draft["id"],
            person_id=member.id,
            status="active",
            shard=shard_of(member.id),
            enrolled_at=datetime.now(UTC),
            first_day=1,
        )
    )
    # To an hour of that day, whatever the hour is now: so many days on from an evening is a day later.
    third = datetime.fromisoformat(plan["starts_on"]).replace(tzinfo=UTC) + timedelta(days=2)
    await advance(leader, draft["id"], third + FIVE_IN_THE_MORNING - datetime.now(UTC))
    [row] = await api.rows(select(campaigns.c.day).where(campaigns.c.id == draft["id"]))
    assert row["day"] == 3
    return draft["id"], member.id


def _plan() -> dict[str, Any]:
    # As of the test, not of the import: a run that passes midnight would count one day too many.
    starts_on = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    return {"starts_on": starts_on, "length_days": 5, "invitations": {"mode": "off"}, "time_zone": "UTC"}


async def advance(user: User, campaign_id: str, duration: timedelta) -> None:
    body = {"process": f"campaign/{campaign_id}", "duration": f"PT{duration // timedelta(seconds=1)}S"}
    moved = await user.post("/dev/clock/advance", body)
    assert moved.status_code == 200, moved.text


async def letters(api: Api) -> Counter[str]:
    return Counter(row["template"] for row in await api.rows(select(mails.c.template)))


async def test_an_outage_is_declared_once_repaired_told_and_kept(served: Api) -> None:
    leader, manager = await served.user("lea", Role.LEADER), await served.user("max", Role.CAMPAIGN_MANAGER)
    campaign_id, member = await third_day(served, leader, manager)
    path = f"/campaigns/{campaign_id}/amnesties"
    body = {"days": [1, 2], "reason": "The database was away for two days."}
    first = await manager.post(path, body, headers={"Idempotency-Key": "once"})
    assert first.status_code == 201, first.text
    assert (first.json()["days"], first.json()["declared_by"]["id"]) == ([1, 2], manager.id)
    again = await manager.post(path, body, headers={"Idempotency-Key": "once"})
    assert again.json() == first.json()

    async def told() -> bool:
        sent = await letters(served)
        return sent["campaign_amnesty"] == sent["campaign_amnesty_leader"] == 1

    await until(told, seconds=30)
    listed = (await leader.get(path)).json()["items"]
    assert [(one["days"], one["members"], one["reason"]) for one in listed] == [
        ([1, 2], 1, "The database was away for two days.")
    ]
    [row] = await served.rows(select(enrolments).where(enrolments.c.person_id == member))
    assert (row["missed"], row["closed_through"]) == (0, 2)
    kept = select(notes.c.body).where(notes.c.process_id == campaign_process_id(campaign_id))
    assert [note["body"] for note in await served.rows(kept)] == ["The database was away for two days."]
    refused = problem(await manager.post(path, body), 422, "amnesty_days")
    assert refused["impossible"] == [1, 2]
    assert len(await served.rows(kept)) == 1
    problem(await manager.post(path, {"days": [4], "reason": "Soon."}), 422, "amnesty_days")


async def test_a_settled_campaign_has_none_any_more(served: Api) -> None:
    leader, manager = await served.user("lea", Role.LEADER), await served.user("max", Role.ADMIN)
    campaign_id, _ = await third_day(served, leader, manager)
    await advance(leader, campaign_id, timedelta(days=4))
    [row] = await served.rows(select(campaigns.c.status).where(campaigns.c.id == campaign_id))
    assert row["status"] == "settled"
    late = await manager.post(f"/campaigns/{campaign_id}/amnesties", {"days": [5], "reason": "Too late."})
    problem(late, 409, "amnesty_too_late")


BAD: list[dict[str, Any]] = [
    {"days": [], "reason": "x"},
    {"days": [1, 1], "reason": "x"},
    {"days": [0], "reason": "x"},
    {"days": [366], "reason": "x"},
    {"days": list(range(1, 33)), "reason": "x"},
    {"days": [1], "reason": ""},
    {"days": [1], "reason": "\x00"},
    {"days": [1]},
    {"days": "1", "reason": "x"},
    {"days": [1], "reason": "x", "more": 1},
]


async def test_nonsense_is_named_and_only_staff_declare(database_url: str, settings: Settings) -> None:
    values = {"database_url": database_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as api:
        leader, manager = await api.user("lea", Role.LEADER), await api.user("max", Role.CAMPAIGN_MANAGER)
        member = await api.user("ann")
        campaign = await Campaign.at(api.db, day=3, leader=leader.id)
        path = f"/campaigns/{campaign.id}/amnesties"
        for body in BAD:
            problem(await manager.post(path, body), 422, "validation_failed")
        good = {"days": [1], "reason": "An outage."}
        for other in (leader, member):
            problem(await other.post(path, good), 403, "forbidden")
        problem(await member.get(path), 404, "not_found")
        assert (await leader.get(path)).json() == {"items": []}
        problem(await manager.post(path, good), 503, "temporal_unavailable")


async def test_the_form_names_a_span_and_shows_what_was_given(served: Api) -> None:
    leader, _ = await served.user("lea", Role.LEADER), None
    manager = await served.user("max", Role.CAMPAIGN_MANAGER)
    campaign_id, _ = await third_day(served, leader, manager)
    staff, _ = await window(served, "staff", Role.CAMPAIGN_MANAGER)
    desk = f"/staff/campaigns/{campaign_id}"
    assert en("page.amnesty.declare") in await look(staff, desk)
    given: dict[str, Any] = {
        "first_day": "1",
        "last_day": "2",
        "outage": "No <b>power</b>.",
        "once": "a" * 36,
    }
    wrong = await send(staff, f"{desk}/amnesties", 422, **given | {"last_day": "0"})
    assert 'id="last_day-error"' in wrong.text
    backwards = await send(staff, f"{desk}/amnesties", 422, **given | {"first_day": "3"})
    assert 'id="last_day-error"' in backwards.text
    early = await send(staff, f"{desk}/amnesties", 422, **given | {"first_day": "4", "last_day": "5"})
    assert 'role="alert"' in early.text
    done = await send(staff, f"{desk}/amnesties", **given)
    assert done.headers["location"] == f"{desk}?done=campaign_amnesty"
    text = await look(staff, desk)
    assert en("page.amnesty.days", days="1, 2") in text
    assert "No &lt;b&gt;power&lt;/b&gt;." in text
    assert en("page.story.amnesty_declared") in text
