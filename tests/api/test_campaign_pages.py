"""The pages of campaigns without a browser: every page in every state that it can be in."""

import csv
import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, select, update
from temporalio.client import Client

from api.services.campaign_reports import cell
from contracts.base import CAMPAIGN_QUEUE, campaign_process_id, task_queue
from db.repositories import points
from db.tables.campaigns import campaign_days, campaign_reports, check_ins
from db.tables.campaigns import campaigns as table
from db.tables.people import people
from db.tables.vetting import timeline_entries
from domain.campaigns.calendar import Shift, day_opens
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.reports import Against, Paid, Report, ReportDay
from domain.campaigns.terms import Status
from domain.people import Role
from domain.points import Source
from engine.processes import free_port
from locales import translate
from settings import Settings
from tests.support.browser import browser
from tests.support.campaigns import NOTE, Campaign, plan_of
from tests.support.vetting_api import Api, User, running_api
from worker import campaign_worker

SITE = "http://kameng.test"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The application, with nobody at Temporal's address."""
    values = {"database_url": sqlite_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def window(api: Api, name: str, *roles: Role) -> tuple[httpx2.AsyncClient, User]:
    """A browser in which somebody new is signed in."""
    user = await api.user(name, *roles)
    client = await browser(api, SITE)
    told = (await user.get("/me")).json()
    answer = await client.post("/dev/sign-in", data={"email": told["email"]})
    assert answer.status_code == 303, answer.text
    return client, user


async def look(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    """Open a page, which is guarded whatever it shows; return its text."""
    answer = await client.get(SITE + path)
    assert answer.status_code == status, answer.text[:800]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return answer.text


async def send(client: httpx2.AsyncClient, path: str, status: int = 303, **data: Any) -> httpx2.Response:
    """Send a form."""
    answer = await client.post(SITE + path, data=data)
    assert answer.status_code == status, answer.text[:800]
    return answer


def en(msgid: str, **values: Any) -> str:
    return translate("en", msgid, **values)


async def test_the_list_and_the_front_page_show_what_runs(api: Api) -> None:
    await Campaign.at(api.db, day=3, members=2)
    await Campaign.at(api.db, status=Status.DRAFT)
    stranger = await browser(api, SITE)
    for path in ("/", "/campaigns"):
        text = await look(stranger, path)
        assert text.count("Thirty days of book-keeping") == 1
        assert en("page.campaign.day_of", day=3, days=30) in text
    empty = await look(stranger, "/campaigns?cursor=nonsense", 400)
    assert en("problem.cursor_invalid.title") in empty


@pytest.mark.parametrize("status", [s for s in Status if s not in {Status.DRAFT, Status.IN_REVIEW}])
async def test_a_campaign_in_every_state(api: Api, status: Status) -> None:
    day = 5 if status in {Status.RUNNING, Status.PAUSED} else 31 if "settl" in status.value else 0
    campaign = await Campaign.at(api.db, day=day, status=status, members=2)
    member, _ = await window(api, "ann")
    hidden = status in {Status.REJECTED, Status.CANCELLED}
    text = await look(member, f"/campaigns/{campaign.id}", 404 if hidden else 200)
    assert (en(f"page.campaign.status.{status.value}") in text) is not hidden


async def test_a_campaign_cut_short_stays_open_to_those_who_took_part(api: Api) -> None:
    leader, ann = [await window(api, name, *roles) for name, *roles in (("lea", Role.LEADER), ("ann",))]
    manager, _ = await window(api, "max", Role.CAMPAIGN_MANAGER)
    stranger, _ = await window(api, "bob")
    campaign = await Campaign.at(api.db, leader=leader[1].id)
    await campaign.enrol(ann[1].id)
    await campaign.go(2)
    path = f"/campaigns/{campaign.id}"
    await send(ann[0], f"{path}/check-ins", note=NOTE)
    await campaign.go(2, Status.CANCELLED)
    await _noted(api, campaign, "campaign_cancelled", "campaign_cancelled_settled")
    for client, own in ((leader[0], f"/studio{path}"), (manager, f"/staff{path}")):
        assert en("page.story.campaign_cancelled_settled") in await look(client, own)
    assert en("page.campaign.cannot_join.over") in await look(leader[0], path)
    assert en("page.campaign.status.cancelled") in await look(ann[0], path)
    assert en("page.own.cancelled") in await look(ann[0], f"{path}/me")
    await look(ann[0], f"{path}/leaderboard")
    for place in ("", "/leaderboard"):
        await look(stranger, path + place, 404)
    assert en("page.campaign.status.cancelled") in await look(manager, "/staff/campaigns")
    assert campaign.id in await look(manager, "/staff/campaigns?status=cancelled")


async def test_who_had_a_place_in_what_was_called_off_before_its_first_day(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db)
    await campaign.enrol(user.id)
    await campaign.go(0, Status.CANCELLED)
    assert en("page.own.called_off") in await look(ann, f"/campaigns/{campaign.id}/me")


async def _noted(api: Api, campaign: Campaign, *codes: str) -> None:
    line = {"process_id": campaign_process_id(campaign.id), "detail": {}}
    at = dict.fromkeys(("at", "recorded_at"), datetime.now(UTC))
    lines = [line | at | {"seq": seq, "code": code} for seq, code in enumerate(codes, 1)]
    await api.execute(insert(timeline_entries).values(lines))


async def test_what_is_over_has_no_today(api: Api) -> None:
    client, leader = await window(api, "leader", Role.LEADER)
    campaign = await Campaign.at(api.db, day=5, members=2, leader=leader.id)
    path = f"/studio/campaigns/{campaign.id}"
    assert en("page.campaign.done_today") in await look(client, path)
    await api.db.write(lambda conn: campaign.move(conn, 31, Status.SETTLED))
    text = await look(client, path)
    assert en("page.campaign.done_today") not in text
    assert en("page.campaign.average_streak") in text


async def test_enrolling_checking_in_and_leaving(api: Api) -> None:
    campaign = await Campaign.at(api.db, capacity=1)
    path = f"/campaigns/{campaign.id}"
    ann, _ = await window(api, "ann")
    bob, _ = await window(api, "bob")
    stranger = await browser(api, SITE)
    assert (await stranger.get(SITE + path)).headers["location"].startswith("/sign-in")
    assert (await ann.get(f"{SITE}{path}/me")).headers["location"] == path
    done = await send(ann, f"{path}/enrolments", reminder_hour="21")
    assert done.headers["location"] == f"{path}/me?done=enrolled"
    assert en("page.own.not_yet") in await look(ann, f"{path}/me")
    done = await send(bob, f"{path}/enrolments", reminder_hour="")
    assert done.headers["location"] == f"{path}?done=in_line"
    assert en("page.campaign.place.waiting", number=1) in await look(bob, path)
    await campaign.go(1)
    assert en("page.own.state.open") in await look(ann, f"{path}/me")
    short = await send(ann, f"{path}/check-ins", 422, note="too short")
    assert 'id="note-error"' in short.text
    assert "too short</textarea>" in short.text
    nothing = await send(ann, f"{path}/check-ins", 422, note="")
    assert 'id="note-error"' in nothing.text
    for _ in range(2):
        await send(ann, f"{path}/check-ins", note=NOTE)
    assert len(await api.rows(select(check_ins.c.id))) == 1
    assert en("page.own.done") in await look(ann, f"{path}/me")
    await send(ann, f"{path}/reminder", reminder_hour="8")
    await send(ann, f"{path}/reminder", 422, reminder_hour="99")
    assert '<option value="8" selected>' in await look(ann, f"{path}/me")
    board = await look(ann, f"{path}/leaderboard?by=streak")
    assert en("page.board.me") in board
    for by in ("invitations", "nonsense"):
        await look(ann, f"{path}/leaderboard?by={by}")
    await send(ann, f"{path}/leave")
    assert en("page.campaign.place.left") in await look(ann, path)


@pytest.mark.parametrize(
    ("choice", "said"), [("anonymous", "sharing_chosen"), ("declined", "sharing_declined")]
)
async def test_only_who_declines_is_told_that_notes_are_taken_down(api: Api, choice: str, said: str) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    chosen = await send(ann, f"/campaigns/{campaign.id}/sharing", choice=choice)
    assert f"<p>{en(f'page.done.{said}')}</p>" in await look(ann, chosen.headers["location"])


async def test_whoever_got_a_place_is_not_told_any_more_of_the_line(api: Api) -> None:
    campaign = await Campaign.at(api.db, capacity=1)
    path = f"/campaigns/{campaign.id}"
    ann, bob = [(await window(api, name))[0] for name in ("ann", "bob")]
    await send(ann, f"{path}/enrolments")
    waiting = (await send(bob, f"{path}/enrolments")).headers["location"]
    assert en("page.done.in_line") in await look(bob, waiting)
    await send(ann, f"{path}/leave")
    assert en("page.done.in_line") not in await look(bob, waiting)


async def test_a_missed_day_is_made_up_with_a_card(api: Api) -> None:
    campaign = await Campaign.at(api.db)
    path = f"/campaigns/{campaign.id}"
    ann, _ = await window(api, "ann")
    await send(ann, f"{path}/enrolments")
    await campaign.go(3)
    text = await look(ann, f"{path}/me")
    assert '<option value="2">' in text
    done = await send(ann, f"{path}/check-ins", note=NOTE, makeup_for_day="2")
    assert done.headers["location"] == f"{path}/me?done=made_up"
    text = await look(ann, f"{path}/me")
    assert '<li class="made_up on' in text
    assert '<option value="2">' not in text
    refused = await send(ann, f"{path}/check-ins", 409, note=NOTE + " Again.", makeup_for_day="2")
    assert 'role="alert"' in refused.text


async def test_who_comes_too_late_or_uninvited_is_told(api: Api) -> None:
    late = await Campaign.at(api.db, day=20)
    invited = await Campaign.at(api.db, enrolment="invitation")
    ann, _ = await window(api, "ann")
    assert en("page.campaign.cannot_join.late") in await look(ann, f"/campaigns/{late.id}")
    await send(ann, f"/campaigns/{late.id}/enrolments", 409)
    assert 'name="invite_code"' in await look(ann, f"/campaigns/{invited.id}")
    refused = await send(ann, f"/campaigns/{invited.id}/enrolments", 403, invite_code="guessed")
    assert 'role="alert"' in refused.text


async def test_nobody_is_offered_a_place_that_cannot_be_had(api: Api) -> None:
    ann, _ = await window(api, "ann")
    full = await Campaign.at(api.db, capacity=1, waiting_list=False)
    line = await Campaign.at(api.db, capacity=1)
    for campaign in (full, line):
        await campaign.enrol((await api.user("eve")).id)
    paused = await Campaign.at(api.db, day=2, status=Status.PAUSED)
    for campaign, told in ((full, "full"), (paused, "paused")):
        text = await look(ann, f"/campaigns/{campaign.id}")
        assert en(f"page.campaign.cannot_join.{told}") in text
        assert "/enrolments" not in text
        await send(ann, f"/campaigns/{campaign.id}/enrolments", 409)
    assert en("page.campaign.get_in_line") in await look(ann, f"/campaigns/{line.id}")


async def test_who_waits_is_told_how_it_stands_with_the_line(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, capacity=1)
    await campaign.enrol((await api.user("eve")).id)
    await campaign.enrol(user.id)
    path, waits = f"/campaigns/{campaign.id}", en("page.campaign.place.waiting", number=1)
    await campaign.go(1)
    for page in (path, f"{path}/me"):
        assert en("page.campaign.waiting_paused") not in await look(ann, page)
    await campaign.go(1, Status.PAUSED)
    assert waits in await look(ann, path)
    for page in (path, f"{path}/me"):
        assert en("page.campaign.waiting_paused") in await look(ann, page)
    await campaign.go(20)
    assert waits not in await look(ann, path)
    for page in (path, f"{path}/me"):
        assert en("page.campaign.waiting_over") in await look(ann, page)


@pytest.fixture
async def served(settings: Settings, sqlite_url: str, temporal_client: Client) -> AsyncIterator[Api]:
    """The application with the worker of campaigns."""
    values = {
        "database_url": sqlite_url,
        "temporal_address": temporal_client.service_client.config.target_host,
        "temporal_namespace": temporal_client.namespace,
        "staff_second_factor": False,
        "temporal_ui_url": "http://127.0.0.1:8233",
    }
    given = settings.model_copy(update=values)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(given, temporal_client))
        queue = task_queue(given.task_queue_prefix, CAMPAIGN_QUEUE)
        await stack.enter_async_context(campaign_worker(temporal_client, api.db, queue))
        yield api


async def fill_pool(api: Api) -> None:
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


async def begun(leader: httpx2.AsyncClient, days: int = 10) -> str:
    """Begin a draft in the studio and return its path there."""
    start = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    await look(leader, "/studio/campaigns/new")
    done = await send(leader, "/studio/campaigns/new", template="learning_plan", starts_on=start)
    return done.headers["location"].partition("?")[0]


def fields(text: str) -> dict[str, Any]:
    """Read the editor's form as a browser without scripts would send it."""
    form = re.search(r'<form id="editor".*?</form>', text, re.DOTALL)
    assert form is not None
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name = re.search(r' name="([^"]*)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        assert name
        assert value
        if ("checkbox" in tag or "radio" in tag) and " checked" not in tag:
            continue
        if 'type="checkbox"' in tag:
            found.setdefault(name[1], []).append(html.unescape(value[1]))
        else:
            found[name[1]] = html.unescape(value[1])
    for name_, text_ in re.findall(
        r'<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>', form[0], re.DOTALL
    ):
        found[name_] = html.unescape(text_)
    return found


async def test_a_draft_is_edited_counted_saved_and_given_up(api: Api) -> None:
    leader, _ = await window(api, "leader", Role.LEADER)
    other, _ = await window(api, "other", Role.LEADER)
    member, _ = await window(api, "member")
    await look(member, "/studio/campaigns/new", 403)
    assert en("page.studio.leaders_only") in await look(member, "/studio")
    await send(leader, "/studio/campaigns/new", 422, template="learning_plan", starts_on="soon")
    path = await begun(leader)
    await look(other, path, 404)
    values = fields(await look(leader, path))
    counted = await send(leader, path, 200, **values | {"capacity": "10", "action": "estimate"})
    assert 'value="10"' in counted.text
    assert fields(await look(leader, path))["capacity"] == "200"
    wrong = values | {"length_days": "0", "rewards.streaks[3].days": "1", "rewards.streaks[3].points": "5"}
    refused = await send(leader, path, 422, **wrong, action="save")
    assert 'id="length_days-error"' in refused.text
    assert 'id="rewards.streaks[3].days-error"' in refused.text
    outside = values | {"invitations.mode": "outside", "title": "A <b>title</b>"}
    saved = await send(leader, path, **outside, action="save")
    assert saved.headers["location"] == f"{path}?done=campaign_saved"
    text = await look(leader, path)
    assert en("plan_warning.outside_points") in html.unescape(text)
    assert "A &lt;b&gt;title&lt;/b&gt;" in text
    assert fields(text) == outside | {name: fields(text)[name] for name in ("edit_version", "once")}
    late = await send(leader, path, 412, **outside, action="save")
    assert en("page.edit_conflict") in html.unescape(late.text)
    assert "If-Match" not in late.text
    # What was typed stands there on top of what is there now: saving it again is a choice.
    assert fields(late.text)["title"] == outside["title"]
    again = await send(leader, path, **fields(late.text) | {"action": "save"})
    assert again.headers["location"] == f"{path}?done=campaign_saved"
    silent = await send(leader, path, 503, **outside | {"edit_version": "3"}, action="submit")
    assert 'name="edit_version" value="4"' in silent.text
    gone = await send(leader, f"{path}/steps/cancel")
    assert gone.headers["location"] == "/studio?done=draft_deleted"
    await look(leader, path, 404)


def estimate(text: str) -> str:
    """Read what the editor says that the plan can cost: beside the form, and on top of it on a phone."""
    beside = re.search(r'<section class="card" id="estimate".*?<strong[^>]*>(.*?)</strong>', text, re.DOTALL)
    on_top = re.search(r'<p class="estimate-line".*?<strong[^>]*>(.*?)</strong>', text, re.DOTALL)
    assert beside
    assert on_top
    assert beside[1].strip() == on_top[1].strip()
    return beside[1].strip()


async def test_the_estimate_never_shows_another_plan_than_the_form(api: Api) -> None:
    leader, _ = await window(api, "leader", Role.LEADER)
    path = await begun(leader)
    values = fields(text := await look(leader, path))
    saved = estimate(text)
    for action in ("estimate", "save"):
        wrong = await send(leader, path, 422, **values | {"capacity": "0", "action": action})
        assert estimate(wrong.text) == "–"
        assert en("page.studio.estimate_wrong") in wrong.text
        # A text that is too long has nothing to do with what the plan costs.
        other = await send(
            leader, path, 422, **values | {"title": "x" * 200, "capacity": "10", "action": action}
        )
        assert estimate(other.text) not in {"–", saved}


async def test_what_is_wrong_in_a_plan_is_said_in_the_language_of_the_reader(api: Api) -> None:
    leader, _ = await window(api, "leader", Role.LEADER)
    path = await begun(leader)
    await send(leader, "/language", locale="zh-CN", back="/")
    bonus = {f"rewards.streaks[{n}].{field}": "5" for n in (0, 1) for field in ("days", "points")}
    prize = {f"rewards.ranks[{n}].{field}": "1" for n in (0, 1) for field in ("place", "points")}
    boards = {f"rewards.ranks[{n}].board": "days" for n in (0, 1)}
    values = fields(await look(leader, path))
    for wrong, code in (
        ({"time_zone": "Mars/One"}, "time_zone"),
        (bonus, "streaks_once"),
        (prize | boards, "ranks_once"),
        ({"requirement.proofs": ["note", "note"]}, "proofs_once"),
    ):
        text = (await send(leader, path, 422, **values | wrong | {"action": "save"})).text
        assert translate("zh-CN", f"field.{code}") in text, code


async def test_a_campaign_does_not_begin_in_the_past(api: Api) -> None:
    """Said where the day is chosen, and not only once the plan is handed in."""
    leader, _ = await window(api, "leader", Role.LEADER)
    for day in ("2020-01-01", (datetime.now(UTC) - timedelta(days=2)).date().isoformat()):
        refused = await send(leader, "/studio/campaigns/new", 422, template="learning_plan", starts_on=day)
        assert 'id="starts_on-error"' in refused.text
        assert en("field.starts_in_the_past") in refused.text
        assert f'value="{day}"' in refused.text
        # What is said to programs has no fields «named in errors» to show to people.
        assert en("problem.validation_failed.detail") not in refused.text
        assert en("page.staff.look_again") in refused.text


async def test_a_first_day_too_near_is_marked_where_it_is_chosen(served: Api) -> None:
    leader, _ = await window(served, "leader", Role.LEADER)
    path = await begun(leader)
    values = fields(await look(leader, path)) | {"starts_on": "2020-01-01", "action": "submit"}
    refused = await send(leader, path, 422, **values)
    assert 'id="starts_on-error"' in refused.text
    assert refused.text.count(en("problem.starts_too_soon.detail")) == 2


async def test_handed_in_sent_back_approved_and_steered(served: Api) -> None:
    leader, _ = await window(served, "leader", Role.LEADER)
    staff, _ = await window(served, "staff", Role.CAMPAIGN_MANAGER)
    member, _ = await window(served, "member")
    path = await begun(leader)
    desk = path.replace("/studio", "/staff")
    await send(leader, path, **fields(await look(leader, path)), action="submit")
    shown = await look(leader, path)
    assert en("page.campaign.waiting_on.staff") in shown
    assert en("campaign_if_nothing.staff_reminded") in shown
    assert "60,000 points at most" in shown, "the history says how much was asked for"
    assert en("page.studio.estimate") in shown, "what staff weigh, its leader sees as well"
    await look(member, "/staff/campaigns", 403)
    assert desk in await look(staff, "/staff/campaigns")
    text = await look(staff, desk)
    assert en("page.desk.too_small") in text
    assert "8233/namespaces" in text
    await send(staff, f"{desk}/review", 422)
    await send(staff, f"{desk}/review", 422, decision="reject")
    small = await send(staff, f"{desk}/review", 409, decision="approve")
    assert 'role="alert"' in small.text
    await send(staff, f"{desk}/review", decision="request_changes", reasons="rules_unclear", note="Say how.")
    text = await look(leader, path)
    assert "Say how." in text
    assert en("campaign_reason.rules_unclear") in text
    await send(leader, path, **fields(text), action="submit")
    await fill_pool(served)
    done = await send(staff, f"{desk}/review", decision="approve", note="Good luck.")
    assert done.headers["location"] == f"{desk}?done=campaign_approve"
    await send(leader, f"{path}/steps/extend", 422, days="none")
    await send(leader, f"{path}/steps/extend", days="2")
    await send(leader, f"{path}/steps/pause", 409)
    for client, page in ((leader, path), (staff, desk)):
        shown = await look(client, page)
        assert "Good luck." in shown
        assert "60,000 points reserved" in shown
        assert "2 days more, 32 days in all" in shown
    await send(staff, f"{desk}/steps/cancel", reason="The sponsor left.")
    assert "The sponsor left." in await look(leader, path)
    assert en("page.campaign.status.cancelled") in await look(leader, "/studio")


async def reported(api: Api, title: str) -> tuple[httpx2.AsyncClient, User, str]:
    """A settled campaign of somebody new with a report of two days."""
    client, leader = await window(api, "leader", Role.LEADER)
    campaign = await Campaign.at(api.db, day=31, status=Status.SETTLED, leader=leader.id)
    now = datetime.now(UTC)
    days = tuple(ReportDay(day=n, opened_at=now, active=4, checked_in=4 - n, made_up=0) for n in (1, 2))
    figures = Report(
        campaign_id=campaign.id,
        cancelled=False,
        days_run=2,
        members=4,
        left=1,
        started=3,
        completed=2,
        still_there=2,
        check_ins=5,
        days=days,
        new_members=Against(during=7, before=5),
        shares=Against(during=3, before=0),
        paid=Paid(reserved=100, check_in=10, streak=0, completion=20, rank=0, invitation=0),
    ).model_dump(mode="json")
    await api.execute(
        insert(campaign_reports).values(campaign_id=campaign.id, made_at=now, figures=figures),
        table.update().where(table.c.id == campaign.id).values(title=title),
    )
    return client, leader, campaign.id


async def test_the_report_as_page_json_and_table(api: Api) -> None:
    client, leader, campaign_id = await reported(api, "=1+1")
    other, stranger = await window(api, "other", Role.LEADER)
    path = f"/studio/campaigns/{campaign_id}/report"
    text = await look(client, path)
    assert "50%" in text
    assert "+40%" in text
    await look(other, path, 404)
    assert (await stranger.get(f"/campaigns/{campaign_id}/report")).status_code == 404
    told = (await leader.get(f"/campaigns/{campaign_id}/report")).json()
    assert (told["completion"], told["new_members"]["growth"], told["shares"]["growth"]) == (0.5, 0.4, None)
    assert told["paid"]["total"] == 30
    kept = await leader.get(f"/campaigns/{campaign_id}/report.csv")
    assert kept.headers["content-type"].startswith("text/csv")
    assert kept.headers["content-disposition"].startswith("attachment")
    lines = list(csv.reader(StringIO(kept.content.decode("utf-8-sig"))))
    assert lines[1] == ["title", "", "'=1+1"]
    assert ["checked_in", "2", "2"] in lines
    figures = {line[0] for line in lines}
    for name, value in told.items():
        if isinstance(value, dict):
            assert {f"{name}_{figure}" for figure in value} <= figures
        elif name not in {"campaign_id", "days", "growth", "tree"}:
            assert name in figures
    assert (await client.get(f"{SITE}{path}.csv")).content == kept.content
    before = await Campaign.at(api.db, day=3, leader=leader.id)
    await look(client, f"/studio/campaigns/{before.id}/report", 409)


async def test_the_days_of_a_report_add_up_with_those_made_up(api: Api) -> None:
    client, _, campaign_id = await reported(api, "Adds up")
    days = [
        ReportDay(day=n, opened_at=datetime.now(UTC), active=4, checked_in=4 - n, made_up=n - 1)
        for n in (1, 2)
    ]
    figures = (await api.rows(select(campaign_reports)))[0]["figures"]
    figures |= {"days": [day.model_dump(mode="json") for day in days], "check_ins": 6}
    await api.execute(update(campaign_reports).values(figures=figures))
    text = await look(client, f"/studio/campaigns/{campaign_id}/report")
    assert en("page.campaign.column.made_up") in text
    assert en("page.campaign.plot.made_up", count=1, number="1") in text
    assert text.count('<rect class="made-up"') == 1
    rows = re.findall(r"<tr><th scope=\"row\">\d.*?</tr>", text)
    cells = [[int(cell) for cell in re.findall(r'<td class="number">(\d+)</td>', row)] for row in rows]
    assert cells == [[4, 2, 1], [4, 3, 0]]


def three_days(plan: CampaignPlan) -> tuple[list[dict[str, Any]], list[Any]]:
    """The first days of a campaign without members: as they are counted, and as a report keeps them."""
    days = [{"day": n, "opened_at": day_opens(plan, n), "active": 0} for n in (1, 2, 3)]
    return days, [ReportDay(**day, checked_in=0, made_up=0).model_dump(mode="json") for day in days]


async def test_days_of_rest_are_marked_where_days_are_drawn(api: Api) -> None:
    client, _, campaign_id = await reported(api, "Rests")
    plan = plan_of(rest_weekdays=(1,))
    days, kept = three_days(plan)
    figures = (await api.rows(select(campaign_reports)))[0]["figures"] | {"days": kept}
    await api.execute(
        insert(campaign_days).values([day | {"campaign_id": campaign_id} for day in days]),
        update(campaign_reports).values(figures=figures),
        update(table)
        .where(table.c.id == campaign_id)
        .values(plan=plan.model_dump(mode="json"), amnesties=[{"days": [3]}]),
    )
    for path in ("campaigns/{}", "studio/campaigns/{}", "studio/campaigns/{}/report"):
        text = await look(client, "/" + path.format(campaign_id))
        assert text.count('<rect class="resting"') == 2, path
        assert en("page.campaign.plot.rest") in text
        rows = re.findall(r'<th scope="row">(\d) (.*?)</th>', text)
        assert [day for day, words in rows if en("page.campaign.rest_day") in words] == ["3", "2"], path


async def test_days_have_the_dates_of_where_the_campaign_is(api: Api) -> None:
    """Who reads in Los Angeles sees the dates of Shanghai, of a day that a pause has moved the later one."""
    client, leader, campaign_id = await reported(api, "Shanghai")
    plan = plan_of(time_zone="Asia/Shanghai")
    days, kept = three_days(plan)
    figures = (await api.rows(select(campaign_reports)))[0]["figures"] | {"days": kept}
    await api.execute(
        insert(campaign_days).values([day | {"campaign_id": campaign_id} for day in days]),
        update(campaign_reports).values(figures=figures),
        update(table).where(table.c.id == campaign_id).values(plan=plan.model_dump(mode="json")),
        update(people).values(time_zone="America/Los_Angeles"),
    )
    campaign = Campaign(api.db, campaign_id, leader.id)
    shift = Shift(from_day=3, days=7)
    await api.db.write(lambda conn: campaign.move(conn, 31, Status.SETTLED, [shift]))
    dates = [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 11)]
    for path in ("metrics", "report"):
        told = (await leader.get(f"/campaigns/{campaign_id}/{path}")).json()["days"]
        assert [day["on"] for day in told] == [day.isoformat() for day in dates]
    assert "on,3,2026-03-11" in (await leader.get(f"/campaigns/{campaign_id}/report.csv")).text
    for path in ("campaigns/{}", "studio/campaigns/{}", "studio/campaigns/{}/report"):
        text = await look(client, "/" + path.format(campaign_id))
        rows = re.findall(r'<th scope="row">(\d) <span class="soft small">(.*?)</span>', text)
        assert rows == [("3", "March 11, 2026"), ("2", "March 3, 2026"), ("1", "March 2, 2026")], path
    assert en("page.report.span", first="March 2, 2026", last="March 11, 2026") in text


@pytest.mark.parametrize("start", [*"=+-@＝＋－＠", "\t", "\r", "\n", "\0"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert cell(f"{start}1").startswith("'")
    assert (cell(-1), cell(None), cell("a=1")) == ("-1", "", "a=1")
