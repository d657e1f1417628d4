"""The policy of campaigns: versions on top of each other, taken along by the campaigns handed in later."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from contracts.base import CAMPAIGN_QUEUE, task_queue
from db.repositories.policies import CAMPAIGNS
from db.tables.vetting import policies
from domain.campaigns.policy import CampaignPolicy
from domain.people import Role
from settings import Settings
from tests.api.test_campaign_pages import en, look, send, window
from tests.api.test_campaigns import drafted, served_by
from tests.support.vetting_api import Api, User, problem, running_api
from worker import campaign_worker

PATH = "/policies/campaigns"
PAGE = "/staff/campaign-policy"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": database_url, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


def body(**changes: Any) -> dict[str, Any]:
    return CampaignPolicy().model_dump(mode="json") | changes


async def versions(api: Api) -> int:
    mine = select(func.count().label("n")).where(policies.c.process == CAMPAIGNS.process)
    return int((await api.rows(mine))[0]["n"])


async def test_versions_over_json(api: Api) -> None:
    admin = await api.user("admin", Role.ADMIN)
    assert (await admin.get(PATH)).json()["body"] == body()
    given = {"expected_version": 1, "body": body(longest_days=90), "note": "Shorter."}
    written = await admin.http.put(PATH, json=given, headers={"Idempotency-Key": "k"})
    assert (written.status_code, written.json()["version"]) == (200, 2)
    again = await admin.http.put(PATH, json=given, headers={"Idempotency-Key": "k"})
    assert again.json() == written.json()
    assert problem(await admin.http.put(PATH, json=given), 409, "policy_changed")["current"] == 2
    listed = (await admin.get(f"{PATH}/versions")).json()["items"]
    assert [(one["version"], one["note"]) for one in listed] == [(2, "Shorter."), (1, "")]
    assert (await admin.get("/policies/vetting")).json()["version"] == 1
    manager = await api.user("manager", Role.CAMPAIGN_MANAGER)
    assert (await manager.get(PATH)).status_code == 200
    problem(await manager.http.put(PATH, json=given), 403, "forbidden")
    problem(await (await api.user("member")).get(PATH), 403, "forbidden")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"longest_days": 0}, "body.longest_days"),
    ({"reminder_hours": [21, 8]}, "body.reminder_hours"),
    ({"reminder_hours": []}, "body.reminder_hours"),
    ({"people_per_shard": 999}, "body.people_per_shard"),
    ({"shards_at_most": 33}, "body.shards_at_most"),
    ({"surprise": 1}, "body.surprise"),
]


async def test_what_is_wrong_is_told_by_field(api: Api) -> None:
    admin = await api.user("admin", Role.ADMIN)
    for changes, field in BAD:
        given = {"expected_version": 1, "body": body(**changes), "note": "x"}
        found = problem(await admin.http.put(PATH, json=given), 422, "validation_failed")
        assert [error["field"] for error in found["errors"]] == [field]
    assert await versions(api) == 1


async def test_the_page_edits_it_and_says_what_changed(api: Api) -> None:
    admin, _ = await window(api, "admin", Role.ADMIN)
    reviewer, _ = await window(api, "rae", Role.REVIEWER)
    text = await look(admin, PAGE)
    fields = dict(re.findall(r'<input id="[^"]+" name="([^"]+)" class="number"[^>]* value="([^"]*)"', text))
    assert fields["reminder_hours"] == "8, 12, 18, 21"
    change: dict[str, Any] = fields | {
        "expected_version": "1",
        "note": "Quieter.",
        "reminder_hours": "9，20",
    }
    wrong = await send(admin, PAGE, 422, **change | {"reminder_hours": "20, 9"})
    assert 'id="reminder_hours-error"' in wrong.text
    await send(reviewer, PAGE, 403, **change)
    done = await send(admin, PAGE, **change)
    assert done.headers["location"] == f"{PAGE}?done=policy_written_campaign"
    text = await look(reviewer, PAGE)
    assert "<del>8, 12, 18, 21</del> → <ins>9, 20</ins>" in text
    assert en("page.policy.number.reminder_hours") in text
    await send(admin, PAGE, 409, **change)
    assert await versions(api) == 2


async def test_a_campaign_keeps_the_version_that_it_was_handed_in_under(
    settings: Settings, database_url: str, temporal_client: Client
) -> None:
    given = settings.model_copy(update={"database_url": database_url, **served_by(temporal_client)})
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(given, temporal_client))
        queue = task_queue(given.task_queue_prefix, CAMPAIGN_QUEUE)
        await stack.enter_async_context(campaign_worker(temporal_client, api.db, queue))
        leader, admin = await api.user("leader", Role.LEADER), await api.user("admin", Role.ADMIN)
        before, after = await drafted(leader), await drafted(leader)
        assert (await leader.post(f"/campaigns/{before['id']}/submit")).status_code == 200
        changed = body(longest_days=20, reminder_hours=[9])
        written = {"expected_version": 1, "body": changed, "note": "Shorter."}
        assert (await admin.http.put(PATH, json=written)).status_code == 200
        late = problem(await leader.post(f"/campaigns/{after['id']}/submit"), 422, "campaign_too_long")
        assert late["longest_days"] == 20
        assert await hours(leader, before["id"]) == [8, 12, 18, 21]
        assert await hours(leader, after["id"]) == [9]
        sent_back = {"decision": "request_changes", "reasons": ["rules_unclear"]}
        assert (await admin.post(f"/campaigns/{before['id']}/review", sent_back)).status_code == 200
        assert (await leader.post(f"/campaigns/{before['id']}/submit")).status_code == 200


async def hours(user: User, campaign_id: str) -> list[int]:
    found: list[int] = (await user.get(f"/campaigns/{campaign_id}")).json()["reminder_hours"]
    return found
