"""Templates of campaigns: read by leaders, edited by staff, versions on top of each other."""

import asyncio
import html
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest
from sqlalchemy import select

from db.tables.campaigns import campaign_templates, campaigns
from domain.campaigns.templates import SETTINGS, TemplateText, text_id
from domain.people import LOCALES, Role
from locales import translate
from settings import Settings
from tests.api.test_campaign_pages import en, estimate, fields, look, send, window
from tests.support.vetting_api import Api, User, problem, running_api

PATH = "/campaign-templates"
DESK = "/staff/templates"
START = "2030-03-04"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": database_url, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


def given(found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A template as it is sent, from what was read."""
    kept = {name: found[name] for name in ("texts", "plan", "retired")}
    return deepcopy(kept) | {"note": "Why."} | changes


async def put(user: User, code: str, body: dict[str, Any], version: int) -> Any:
    return await user.http.put(f"{PATH}/{code}", json=body, headers={"If-Match": f'"v{version}"'})


async def test_version_0_is_what_is_shipped(api: Api) -> None:
    member = await api.user("member")
    items = (await member.get(PATH)).json()["items"]
    assert [one["code"] for one in items] == [code.value for code in SETTINGS]
    assert {(one["version"], one["shipped"], one["retired"]) for one in items} == {(0, True, False)}
    for one, code in zip(items, SETTINGS, strict=True):
        for locale in LOCALES:
            words = {text.value: translate(locale, text_id(code, text)) for text in TemplateText}
            assert one["texts"][locale] == words
        assert "starts_on" not in one["plan"]
        assert one["liability"] > 0
    assert await api.rows(select(campaign_templates)) == []
    problem(await member.get(f"{PATH}/learning_plan"), 403, "forbidden")


async def test_a_change_counts_for_campaigns_begun_later(api: Api) -> None:
    manager, leader = await api.user("max", Role.CAMPAIGN_MANAGER), await api.user("lea", Role.LEADER)
    begin = {"template": "learning_plan", "starts_on": START}
    before = (await leader.post("/campaigns", begin)).json()
    read = await manager.get(f"{PATH}/learning_plan")
    assert read.headers["etag"] == '"v0"'
    found = read.json()
    body = given(found)
    body["plan"]["length_days"] = 12
    body["texts"]["en"]["title"] = "Twelve days of learning"
    problem(await manager.http.put(f"{PATH}/learning_plan", json=body), 428, "precondition_required")
    changed = await put(manager, "learning_plan", body, 0)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v1"'), changed.text
    problem(await put(manager, "learning_plan", body, 0), 412, "edit_conflict")
    after = (await leader.post("/campaigns", begin)).json()
    assert (after["title"], after["length_days"]) == ("Twelve days of learning", 12)
    kept = (await leader.get(f"/campaigns/{before['id']}")).json()
    assert (kept["title"], kept["length_days"]) == (before["title"], 30)
    versions = (await manager.get(f"{PATH}/learning_plan/versions")).json()["items"]
    assert [(one["version"], one["note"]) for one in versions] == [(1, "Why.")]
    restored = await manager.post(f"{PATH}/learning_plan/restore", headers={"If-Match": '"v1"'})
    assert (restored.status_code, restored.json()["version"]) == (200, 2), restored.text
    assert given(restored.json()) == given(found)


async def test_one_of_their_own_is_added_and_retired_and_drafts_stay(api: Api) -> None:
    manager, leader = await api.user("max", Role.ADMIN), await api.user("lea", Role.LEADER)
    shipped = (await manager.get(f"{PATH}/skill_share")).json()
    begin = {"template": "reading_month", "starts_on": START}
    problem(await leader.post("/campaigns", begin), 422, "validation_failed")
    added = await put(manager, "reading_month", given(shipped), 0)
    assert (added.status_code, added.json()["shipped"]) == (200, False), added.text
    assert (await leader.get(PATH)).json()["items"][-1]["code"] == "reading_month"
    draft = (await leader.post("/campaigns", begin)).json()
    assert draft["template"] == "reading_month"
    assert (await put(manager, "reading_month", given(shipped, retired=True), 1)).status_code == 200
    assert "reading_month" not in [one["code"] for one in (await leader.get(PATH)).json()["items"]]
    assert (await manager.get(PATH)).json()["items"][-1]["retired"] is True
    late = problem(await leader.post("/campaigns", begin), 422, "validation_failed")
    assert [error["field"] for error in late["errors"]] == ["template"]
    assert (await leader.get(f"/campaigns/{draft['id']}")).status_code == 200
    problem(
        await manager.post(f"{PATH}/reading_month/restore", headers={"If-Match": '"v2"'}), 404, "not_found"
    )


async def test_two_editors_at_once_do_not_overwrite_each_other(api: Api) -> None:
    manager = await api.user("max", Role.CAMPAIGN_MANAGER)
    shipped = (await manager.get(f"{PATH}/skill_share")).json()
    answers = await asyncio.gather(*(put(manager, "skill_share", given(shipped), 0) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert len(await api.rows(select(campaign_templates.c.version))) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"plan": {"length_days": 0}}, "plan.length_days"),
    ({"plan": {"surprise": 1}}, "plan.surprise"),
    ({"texts": {}}, "texts"),
    ({"note": "x" * 2001}, "note"),
    ({"surprise": 1}, "surprise"),
]


async def test_what_is_wrong_or_unlawful_is_refused(api: Api) -> None:
    manager = await api.user("max", Role.CAMPAIGN_MANAGER)
    shipped = (await manager.get(f"{PATH}/skill_share")).json()
    for changes, field in BAD:
        found = problem(
            await put(manager, "skill_share", given(shipped, **changes), 0), 422, "validation_failed"
        )
        assert [error["field"] for error in found["errors"]] == [field]
    for code in ("No", "ab", "a-b-c", "9lives", "x" * 33):
        assert (await put(manager, code, given(shipped), 0)).status_code == 422
    prize = {"board": "invitations", "place": 1, "points": 5}
    paid = given(shipped, plan={"rewards": {"ranks": [prize]}})
    problem(await put(manager, "skill_share", paid, 0), 422, "plan_unlawful")
    leader = await api.user("lea", Role.LEADER)
    problem(await put(leader, "skill_share", given(shipped), 0), 403, "forbidden")
    assert await api.rows(select(campaign_templates)) == []


async def test_the_pages_edit_add_retire_and_restore(api: Api) -> None:
    staff, _ = await window(api, "max", Role.CAMPAIGN_MANAGER)
    leader, _ = await window(api, "lea", Role.LEADER)
    await look(leader, DESK, 403)
    assert f'href="{DESK}/learning_plan"' in await look(staff, DESK)
    path = f"{DESK}/learning_plan"
    values = fields(await look(staff, path))
    counted = await send(staff, path, 200, **values | {"capacity": "10", "action": "estimate"})
    assert 'value="10"' in counted.text
    wrong = await send(staff, path, 422, **values | {"length_days": "0", "texts.en.title": ""}, action="save")
    assert 'id="length_days-error"' in wrong.text
    assert 'id="texts.en.title-error"' in wrong.text
    assert estimate(wrong.text) == "–"
    changed = values | {"texts.en.title": "A <b>month</b>", "length_days": "28", "note": "Shorter."}
    done = await send(staff, path, **changed, action="save")
    assert done.headers["location"] == f"{path}?done=template_saved"
    late = await send(staff, path, 412, **changed, action="save")
    assert en("page.edit_conflict") in html.unescape(late.text)
    assert 'name="expected_version" value="1"' in late.text
    text = await look(staff, path)
    assert "Shorter." in text
    assert "A &lt;b&gt;month&lt;/b&gt;" in await look(leader, "/studio/campaigns/new")
    await send(leader, "/studio/campaigns/new", template="learning_plan", starts_on=START)
    assert [row["length_days"] for row in await api.rows(select(campaigns.c.length_days))] == [28]
    await send(staff, path, **fields(text), action="retire")
    assert "A &lt;b&gt;month&lt;/b&gt;" not in await look(leader, "/studio/campaigns/new")
    gone = await send(leader, "/studio/campaigns/new", 422, template="learning_plan", starts_on=START)
    assert en("field.template_unknown") in gone.text
    assert en("page.templates.retired_text") in await look(staff, path)
    await send(staff, f"{path}/restore", 412, expected_version="1")
    await send(staff, f"{path}/restore", expected_version="2")
    assert en("campaign_template.learning_plan.title") in await look(leader, "/studio/campaigns/new")
    own = fields(await look(staff, f"{DESK}/new"))
    texts = {f"texts.{locale}.{text.value}": "Reading month" for locale in LOCALES for text in TemplateText}
    unnamed = await send(staff, f"{DESK}/new", 422, **own | texts | {"code": "New!"}, action="save")
    assert 'id="code-error"' in unnamed.text
    # Neither a shipped one that nobody has changed is written over by a new one, nor one that was changed.
    for code in ("topic_discussion", "learning_plan"):
        for _ in range(2):
            taken = await send(staff, f"{DESK}/new", 422, **own | texts | {"code": code}, action="save")
            assert 'id="code-error"' in taken.text
            assert en("field.template_taken") in html.unescape(taken.text)
    assert en("campaign_template.topic_discussion.title") in await look(leader, "/studio/campaigns/new")
    done = await send(staff, f"{DESK}/new", **own | texts | {"code": "reading_month"}, action="save")
    assert done.headers["location"] == f"{DESK}/reading_month?done=template_saved"
    assert "Reading month" in await look(leader, "/studio/campaigns/new")
