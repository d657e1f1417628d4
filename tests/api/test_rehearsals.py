"""Rehearsals over HTTP, as JSON and as pages."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, select
from temporalio.client import Client

from api.services.rehearsals import A_QUARTER_OF_AN_HOUR
from contracts.base import REHEARSAL_QUEUE, task_queue
from contracts.rehearsals import RehearsalFailure, Script
from db.repositories import rehearsals
from db.tables.rehearsals import rehearsals as table
from domain.campaigns.calendar import rest_days
from domain.campaigns.forecast import Forecast
from domain.campaigns.rewards import liability
from domain.people import Role
from engine.processes import free_port
from settings import Settings
from tests.api.test_campaign_pages import en, look, send, window
from tests.support.rehearsals import forecast_of
from tests.support.vetting_api import Api, User, problem, running_api
from tests.workflows.rehearsal_paths import SmallStage
from worker import rehearsal_worker

SITE = "http://kameng.test"


@pytest.fixture
async def api(sqlite_url: str, temporal_client: Client, settings: Settings) -> AsyncIterator[Api]:
    """The API on the real server; nobody carries rehearsals out."""
    server = temporal_client.service_client.config.target_host
    values: dict[str, Any] = {"database_url": sqlite_url, "temporal_namespace": temporal_client.namespace}
    values["temporal_address"] = server
    async with running_api(settings.model_copy(update=values)) as running:
        running.client = temporal_client
        yield running


def ahead(days: int = 10) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


async def draft(user: User, **changes: Any) -> str:
    """Begin a draft; return its id."""
    body = {"template": "learning_plan", "starts_on": ahead()}
    created = (await user.post("/campaigns", body)).json()
    if changes:
        answer = await user.http.patch(
            f"/campaigns/{created['id']}",
            json={"plan": created["plan"] | changes},
            headers={"If-Match": f'"v{created["edit_version"]}"'},
        )
        assert answer.status_code == 200, answer.text
    return str(created["id"])


async def asked(user: User, campaign_id: str, **body: Any) -> dict[str, Any]:
    answer = await user.post(f"/campaigns/{campaign_id}/rehearse", body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/rehearsals/{found['id']}"
    return found


async def carried_out(api: Api, rehearsal_id: str) -> Forecast:
    """Finish a rehearsal by hand."""
    row = (await api.rows(select(table).where(table.c.id == rehearsal_id)))[0]
    found, now = forecast_of(Script.model_validate(row["script"])), datetime.now(UTC)

    def write(conn: Any) -> None:
        assert rehearsals.begin(conn, rehearsal_id, 1, now)
        assert rehearsals.finish(conn, rehearsal_id, 1, found, now)

    await api.db.write(write)
    return found


async def test_a_draft_is_rehearsed_by_its_process(api: Api) -> None:
    assert api.client is not None
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader)
    queue = task_queue("kameng", REHEARSAL_QUEUE)
    async with rehearsal_worker(api.client, api.db, queue, SmallStage()):
        found = await asked(
            leader, campaign_id, participants=60, temperament="cautious", behaviour={"late": 0.5}, seed=9
        )
        assert found["status"] in {"queued", "running", "done"}
        await api.client.get_workflow_handle(f"rehearsal/{found['id']}").result()
    whole = (await leader.get(f"/rehearsals/{found['id']}")).json()
    assert (whole["status"], whole["failure"], whole["plan_changed"]) == ("done", None, False)
    forecast = whole["forecast"]
    assert (forecast["participants"], forecast["seed"]) == (60, 9)
    assert (forecast["behaviour"]["late"], forecast["behaviour"]["eagerness"]) == (0.5, 0.65)
    assert len(forecast["assumptions"]) == 8
    assert [one["code"] for one in forecast["findings"]] == ["nobody_enrols"]


async def test_the_same_key_asks_once_and_one_is_under_way_at_a_time(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader)
    path = f"/campaigns/{campaign_id}/rehearse"
    first, again = [await leader.post(path, {}, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    problem(await leader.post(path, {}), 409, "rehearsal_running")
    rehearsal_id = first.json()["id"]
    cancelled = await leader.post(f"/rehearsals/{rehearsal_id}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    problem(await leader.post(f"/rehearsals/{rehearsal_id}/cancel"), 409, "rehearsal_over")
    second = await asked(leader, campaign_id)
    listed = (await leader.get(f"/campaigns/{campaign_id}/rehearsals?limit=1")).json()
    assert [one["id"] for one in listed["items"]] == [second["id"]]
    more = await leader.get(f"/campaigns/{campaign_id}/rehearsals?cursor={listed['next_cursor']}")
    assert [one["id"] for one in more.json()["items"]] == [rehearsal_id]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"length_days": 200}, "campaign_too_long"),
        ({"starts_on": "2024-01-01"}, "starts_too_soon"),
        (
            {
                "invitations": {"mode": "inside"},
                "rewards": {"ranks": [{"board": "invitations", "place": 1, "points": 9}]},
            },
            "plan_unlawful",
        ),
    ],
)
async def test_a_plan_that_could_not_be_handed_in_is_refused_alike(
    api: Api, changes: dict[str, Any], code: str
) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader, **changes)
    found = problem(await leader.post(f"/campaigns/{campaign_id}/rehearse", {}), 422, code)
    assert found["title"]
    assert await api.rows(select(table)) == []


async def test_what_nobody_could_ever_pay_is_refused(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader, capacity=5_000_000, rewards={"check_in": 1_000_000})
    problem(await leader.post(f"/campaigns/{campaign_id}/rehearse", {}), 409, "pool_too_small")


async def test_only_before_the_approval(api: Api) -> None:
    from db.tables.campaigns import campaigns

    leader = await api.user("leader", Role.LEADER)
    staff = await api.user("staff", Role.CAMPAIGN_MANAGER)
    campaign_id = await draft(leader)
    await api.execute(campaigns.update().values(status="in_review"))
    found = await asked(staff, campaign_id)
    assert (await staff.get(f"/rehearsals/{found['id']}")).status_code == 200
    await api.execute(campaigns.update().values(status="running"))
    problem(await leader.post(f"/campaigns/{campaign_id}/rehearse", {}), 409, "campaign_wrong_status")


@pytest.mark.parametrize(
    "body", [{"participants": 19}, {"participants": 501}, {"behaviour": {"late": 2}}, {"x": 1}]
)
async def test_bounds(api: Api, body: dict[str, Any]) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader)
    problem(await leader.post(f"/campaigns/{campaign_id}/rehearse", body), 422, "validation_failed")


async def test_too_many_are_slowed_down(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign_id = await draft(leader)
    for _ in range(A_QUARTER_OF_AN_HOUR):
        await asked(leader, campaign_id)
        await api.execute(delete(table))
    answer = await leader.post(f"/campaigns/{campaign_id}/rehearse", {})
    problem(answer, 429, "too_many_requests")
    assert int(answer.headers["retry-after"]) > 0


async def test_without_temporal_nothing_is_begun(sqlite_url: str, settings: Settings) -> None:
    values = {"database_url": sqlite_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as api:
        leader = await api.user("leader", Role.LEADER)
        campaign_id = await draft(leader)
        problem(await leader.post(f"/campaigns/{campaign_id}/rehearse", {}), 503, "temporal_unavailable")
        assert await api.rows(select(table)) == []


# Pages.


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_whole_way_through_the_pages(api: Api, language: str) -> None:
    browser, leader = await window(api, "leader", Role.LEADER)
    campaign_id = await draft(leader, rest_weekdays=[0, 2, 4])
    base = f"/studio/campaigns/{campaign_id}"
    assert f"{base}/rehearsals" in await look(browser, base)
    text = await look(browser, f"{base}/rehearsals")
    assert en("rehearsal.temperament.enthusiastic.text") in text
    assert en("page.rehearsals.none") in text
    wrong = await send(browser, f"{base}/rehearsals", 422, participants="5", temperament="typical")
    assert 'id="participants-error"' in wrong.text
    begun = await send(
        browser, f"{base}/rehearsals", participants="20", temperament="cautious", once="a" * 36
    )
    path = begun.headers["location"].split("?")[0]
    busy = await send(browser, f"{base}/rehearsals", 409, participants="20", temperament="typical")
    assert en("problem.rehearsal_running.detail") in busy.text
    waiting = await look(browser, path)
    assert f'data-events="{path}/events"' in waiting
    assert '<noscript><meta http-equiv="refresh"' in waiting
    forecast = await carried_out(api, path.rsplit("/", 1)[1])
    if language == "zh-CN":
        await send(browser, "/language", locale="zh-CN", back="/")
    shown = await look(browser, path)
    assert "data-events" not in shown
    assert shown.count("<polyline") == 3
    assert f"{liability(forecast.plan):,}" in shown
    assert shown.count('<rect class="resting"') == len(rest_days(forecast.plan, len(forecast.days)))
    paid = forecast.outcome.paid
    earned = paid.check_in + paid.streak
    # What its table says, and what that is with every seat taken.
    assert f">{paid.check_in:,}<" in shown
    for number in (earned, round(earned * forecast.scale)):
        assert f" {number:,} " in shown
    for finding in forecast.findings:
        assert finding.code.value not in shown, "codes are for programs"
    assert f'href="{path}"' in await look(browser, f"{base}/rehearsals")
    late = await send(browser, f"{path}/cancel", 409)
    assert late.status_code == 409


async def test_a_rehearsal_without_a_forecast_says_why(api: Api) -> None:
    browser, leader = await window(api, "leader", Role.LEADER)
    campaign_id = await draft(leader)
    now = datetime.now(UTC)
    for failure in RehearsalFailure:
        found = await asked(leader, campaign_id)
        await api.db.write(partial(rehearsals.fail, rehearsal_id=found["id"], failure=failure, now=now))
        text = await look(browser, f"/studio/rehearsals/{found['id']}")
        assert en(f"rehearsal.failure.{failure.value}")[:40] in text
        whole = (await leader.get(f"/rehearsals/{found['id']}")).json()
        assert whole["failure_text"] == en(f"rehearsal.failure.{failure.value}")
    found = await asked(leader, campaign_id)
    done = await send(browser, f"/studio/rehearsals/{found['id']}/cancel")
    assert done.headers["location"].endswith("done=rehearsal_cancelled")
    assert en("page.rehearsal.cancelled") in await look(browser, f"/studio/rehearsals/{found['id']}")


async def test_a_forecast_of_an_older_plan_is_marked(api: Api) -> None:
    browser, leader = await window(api, "leader", Role.LEADER)
    campaign_id = await draft(leader)
    found = await asked(leader, campaign_id)
    await carried_out(api, found["id"])
    assert en("page.rehearsal.plan_changed") not in await look(browser, f"/studio/rehearsals/{found['id']}")
    shown = (await leader.get(f"/campaigns/{campaign_id}")).json()
    await leader.http.patch(
        f"/campaigns/{campaign_id}",
        json={"plan": shown["plan"] | {"capacity": 77}},
        headers={"If-Match": f'"v{shown["edit_version"]}"'},
    )
    assert en("page.rehearsal.plan_changed") in await look(browser, f"/studio/rehearsals/{found['id']}")


async def test_strangers_find_nothing(api: Api) -> None:
    leader, stranger = await api.user("leader", Role.LEADER), await api.user("stranger", Role.LEADER)
    campaign_id = await draft(leader)
    found = await asked(leader, campaign_id)
    browser, _ = await window(api, "other", Role.LEADER)
    for path in (f"/rehearsals/{found['id']}", f"/campaigns/{campaign_id}/rehearsals"):
        problem(await stranger.get(path), 404, "not_found")
        await look(browser, f"/studio{path}", 404)
