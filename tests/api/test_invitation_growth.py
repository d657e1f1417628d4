"""What invitations did: live figures, the tree, the staff's queue and severing, as JSON and as pages."""

import csv
import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, select, update

from api.schemas.enrolments import EnrolIn
from api.services import enrolments
from db.repositories import campaign_reports as reports
from db.repositories import invitation_codes, invitation_growth, invitation_tree
from db.tables.campaigns import campaign_days, campaign_reports, campaigns
from db.tables.invitations import invitation_joins
from db.tables.mail import mails
from db.tables.people import notes
from domain.campaigns.growth import tree
from domain.campaigns.invitations import Channel
from domain.campaigns.reports import Against, Paid, Report
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import Role
from locales import translate
from settings import Settings
from tests.support.browser import browser
from tests.support.campaigns import Campaign, add_people
from tests.support.vetting_api import Api, User, problem, running_api

SITE = "http://kameng.test"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": database_url, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


def en(msgid: str, **values: Any) -> str:
    return html.escape(translate("en", msgid, **values), quote=False).replace('"', "&#34;")


async def window(api: Api, user: User) -> httpx2.AsyncClient:
    """A browser in which somebody is signed in."""
    client = await browser(api, SITE)
    email = (await user.get("/me")).json()["email"]
    assert (await client.post("/dev/sign-in", data={"email": email})).status_code == 303
    return client


async def look(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    answer = await client.get(SITE + path)
    assert answer.status_code == status, answer.text[:800]
    return answer.text


async def bring(campaign: Campaign, inviter: str, number: int = 1, **values: Any) -> list[str]:
    """Let new people join by a member's code; return their ids."""
    now = datetime.now(UTC)

    def write(conn: Any) -> list[str]:
        made = invitation_codes.personal(conn, campaign.id, inviter, Channel.LINK, 30, now)
        friends = add_people(conn, number, **values)
        for friend in friends:
            enrolments.enrol(conn, campaign.id, friend, EnrolIn(invite_code=made.code), now)
        return friends

    return await campaign.db.write(write)


async def doubt(campaign: Campaign, *friends: str, reason: str = "ring") -> None:
    own = invitation_joins.c.friend_id.in_(friends)
    values = {"status": "doubtful", "reasons": [reason], "client_hash": "c" * 64}
    await campaign.db.write(
        lambda conn: conn.execute(update(invitation_joins).where(own).values(**values)) and None
    )


async def test_the_tree_is_paged_level_by_level(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign = await Campaign.at(api.db, members=3, leader=leader.id)
    ann, bob, _loner = campaign.members
    friends = await bring(campaign, ann, 5)
    await bring(campaign, bob)
    [deep] = await bring(campaign, friends[0])
    await bring(campaign, deep)
    await bring(campaign, leader.id)
    at = f"/campaigns/{campaign.id}/invitations/tree"
    top = (await leader.get(at)).json()
    assert (top["parent"], top["participants"], top["invited"]) == (None, 12, 9)
    found = {node["person"]["id"]: (node["friends"], node["below"]) for node in top["items"]}
    assert found == {ann: (5, 7), bob: (1, 1), leader.id: (1, 1)}
    pages, cursor, seen = 0, "", []
    while True:
        params = {"limit": "2", "parent": ann} | ({"cursor": cursor} if cursor else {})
        level = (await leader.get(at, params=params)).json()
        assert level["parent"]["person"]["id"] == ann
        seen += [node["person"]["id"] for node in level["items"]]
        pages, cursor = pages + 1, level["next_cursor"]
        if not cursor:
            break
    assert (pages, sorted(seen)) == (3, sorted(friends))
    first = (await leader.get(at, params={"parent": ann, "limit": 1})).json()["items"][0]
    below = (await leader.get(at, params={"parent": first["id"]})).json()["items"]
    assert [(node["person"]["id"], node["friends"]) for node in below] == [(deep, 1)]
    boss = await api.user("boss", Role.CAMPAIGN_MANAGER)
    assert (await boss.get(at)).status_code == 200
    problem(await (await api.user("stranger")).get(at), 404, "not_found")
    problem(await leader.get(at, params={"parent": new_id()}), 404, "not_found")
    problem(await leader.get(at, params={"parent": campaign.members[2]}), 404, "not_found")


async def test_who_severed_is_in_the_tree_without_a_name(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign = await Campaign.at(api.db, members=1, leader=leader.id)
    friend, gone = await bring(campaign, campaign.members[0], 2)
    own = invitation_joins.c.friend_id == friend
    now = datetime.now(UTC)
    await api.execute(update(invitation_joins).where(own).values(severed_at=now))
    await api.execute(
        update(invitation_joins).where(invitation_joins.c.friend_id == gone).values(status="activated")
    )
    at = f"/campaigns/{campaign.id}/invitations/tree"
    answer = await leader.get(at, params={"parent": campaign.members[0]})
    nodes = answer.json()["items"]
    assert [node["person"] is None for node in nodes] == [True, False]
    assert friend not in answer.text
    text = await look(await window(api, leader), f"/studio/campaigns/{campaign.id}/invitations")
    assert f"Shown {friend[-4:]}" not in text
    assert text.count(en("page.tree.nameless")) == 1
    assert f"Shown {gone[-4:]}" in text


async def test_the_page_of_the_tree_needs_no_script(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign = await Campaign.at(api.db, members=1, leader=leader.id)
    [ann] = campaign.members
    page, path = await window(api, leader), f"/studio/campaigns/{campaign.id}/invitations"
    assert en("page.tree.empty") in await look(page, path)
    friends = await bring(campaign, ann, 12)
    await bring(campaign, friends[0])
    text = await look(page, path)
    assert text.count("<details") == 4  # the person's menu, the funnel's two tables, and ann's branch
    assert en("page.tree.all", number=12) in text
    assert 'aria-labelledby="funnel-words"' in text
    [further] = re.findall(rf"{path}\?parent=([0-9a-f-]+)\">1 friend", text)
    assert f"Shown {friends[0][-4:]}" in await look(page, f"{path}?parent={further}")
    every = re.search(rf'href="{path}\?parent={ann}"', text)
    assert every
    level = await look(page, f"{path}?parent={ann}&limit=5")
    more = re.search(r'rel="next" href="([^"]+)"', level)
    assert more
    assert f"Shown {friends[5][-4:]}" in await look(page, html.unescape(more[1]) + "&limit=5")
    assert '<a class="button" href="' + path in await look(page, f"/studio/campaigns/{campaign.id}")
    other = await window(api, await api.user("other", Role.LEADER))
    await look(other, path, 404)


async def test_live_figures_of_invitations(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign = await Campaign.at(api.db, members=2, leader=leader.id)
    ann, bob = campaign.members
    friends = await bring(campaign, ann, 4)
    await doubt(campaign, friends[0])
    await api.execute(
        update(invitation_joins)
        .where(invitation_joins.c.friend_id == friends[1])
        .values(status="activated", activated_at=datetime.now(UTC), new_member=True)
    )
    now = datetime.now(UTC)
    await api.db.write(
        lambda conn: invitation_codes.personal(conn, campaign.id, bob, Channel.QR, 30, now) and None
    )
    found = (await leader.get(f"/campaigns/{campaign.id}/metrics")).json()["invitations"]
    assert [step["reached"] for step in found["steps"]] == [5, 4, 4, 4, 1, 0]
    assert found["steps"][3] | {"share": 1.0} == {
        "step": "joined",
        "reached": 4,
        "share": 1.0,
        "in_progress": 2,
        "done": 0,
        "expired": 0,
        "rejected": 0,
        "doubtful": 1,
        "dropped": 0,
    }
    k = found["k"]
    assert (k["participants"], k["invited"], k["activated"]) == (6, 4, 1)
    assert k["value"] == pytest.approx(1 / 6)
    assert k["value"] == pytest.approx(k["invitations_each"] * k["conversion"])
    assert (found["new"], found["known"]) == ({"joined": 1, "activated": 1}, {"joined": 3, "activated": 0})
    assert [(one["day"], one["created"]) for one in found["cohorts"]] == [(0, 5)]


async def test_a_mailed_invitation_is_sent_once_its_mail_has_left(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    campaign = await Campaign.at(api.db, leader=leader.id)
    invited = [f"{name}@elsewhere.example" for name in ("ann", "bob", "cid")]
    for email in invited:
        asked = await leader.post(
            f"/campaigns/{campaign.id}/invitations", {"channel": "email", "email": email}
        )
        assert asked.status_code == 201, asked.text

    async def figures() -> tuple[list[int], int]:
        found = (await leader.get(f"/campaigns/{campaign.id}/metrics")).json()["invitations"]
        return [step["reached"] for step in found["steps"]], found["k"]["invited"]

    assert await figures() == ([3, 0, 0, 0, 0, 0], 0)
    for email, status in zip(invited, ("sent", "delivered", "bounced"), strict=True):
        await api.execute(update(mails).where(mails.c.to_email == email).values(status=status))
    assert await figures() == ([3, 2, 0, 0, 0, 0], 2)


async def report_of(api: Api, campaign: Campaign, *, old: bool) -> None:
    now = datetime.now(UTC)
    row = await campaign.row()
    shown = type("Row", (), row)()
    growth = await api.db.read(lambda conn: invitation_growth.whole(conn, shown, now))
    report = Report(
        campaign_id=campaign.id,
        cancelled=False,
        days_run=30,
        members=3,
        left=0,
        started=3,
        completed=1,
        still_there=1,
        check_ins=9,
        days=(),
        new_members=Against(during=2, before=1),
        shares=Against(during=0, before=0),
        paid=Paid(reserved=10, check_in=1, streak=0, completion=0, rank=0, invitation=0),
        growth=growth,
    )
    figures = report.model_dump(mode="json", exclude={"growth"} if old else None)
    await api.execute(
        insert(campaign_reports).values(campaign_id=campaign.id, made_at=now, figures=figures),
        update(campaigns).where(campaigns.c.id == campaign.id).values(status="settled"),
    )


async def test_the_report_shows_growth_and_older_ones_still_load(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    page = await window(api, leader)
    campaign = await Campaign.at(api.db, day=31, members=1, leader=leader.id)
    await campaign.go(0, Status.ENROLLING)
    friends = await bring(campaign, campaign.members[0], 2)
    await bring(campaign, friends[0])
    await report_of(api, campaign, old=False)
    found = (await leader.get(f"/campaigns/{campaign.id}/report")).json()
    assert found["tree"] == {
        "roots": 1,
        "people": 3,
        "depth": 2,
        "branches": [{"person_id": campaign.members[0], "people": 3, "depth": 2}],
    }
    assert found["growth"]["steps"][3]["dropped"] == 3
    text = await look(page, f"/studio/campaigns/{campaign.id}/report")
    assert en("page.tree.figures", count=3, people=3, roots=1, depth=2) in text
    assert campaign.members[0] in text
    assert 'aria-labelledby="funnel-words"' in text
    table = (await leader.get(f"/campaigns/{campaign.id}/report.csv")).content.decode("utf-8-sig")
    rows = {(name, day): value for name, day, value in list(csv.reader(StringIO(table)))[1:]}
    assert rows["invitations_joined_reached", ""] == "3"
    assert rows["tree_branch_1_person_id", ""] == campaign.members[0]
    assert rows["k_factor", ""] == "0.0"
    assert rows["invited_on_day_created", "0"] == "3"

    older = await Campaign.at(api.db, day=31, leader=leader.id)
    await report_of(api, older, old=True)
    found = (await leader.get(f"/campaigns/{older.id}/report")).json()
    assert (found["growth"], found["tree"]) == (None, None)
    assert en("page.growth") not in await look(page, f"/studio/campaigns/{older.id}/report")
    assert (await leader.get(f"/campaigns/{older.id}/report.csv")).status_code == 200


async def test_newcomers_whom_its_invitations_brought_before_day_1_count_for_it(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    page = await window(api, leader)
    campaign = await Campaign.at(api.db, members=1, leader=leader.id)
    enrolling = datetime.now(UTC) + timedelta(minutes=1)
    first = enrolling + timedelta(days=5)
    # Somebody known since long ago came by a code, and two new ones; two more came by themselves, one late.
    await bring(campaign, campaign.members[0])
    await bring(campaign, campaign.members[0], 2, joined_at=enrolling)
    await api.db.write(lambda conn: add_people(conn, 1, joined_at=enrolling))
    await api.db.write(lambda conn: add_people(conn, 1, joined_at=first + timedelta(days=1)))
    opened = {"campaign_id": campaign.id, "day": 1, "opened_at": first}
    await api.execute(insert(campaign_days).values(**opened))
    await campaign.go(31, Status.SETTLED)
    at = first + timedelta(days=30)
    await api.db.write(lambda conn: reports.make(conn, campaign.id, at))
    found = (await leader.get(f"/campaigns/{campaign.id}/report")).json()
    assert found["growth"]["new"]["joined"] == 2
    assert found["new_members"] == {"during": 3, "before": 1, "growth": 2.0}
    assert en("page.report.new_members_text") in await look(page, f"/studio/campaigns/{campaign.id}/report")


async def test_the_queue_of_doubtful_friends(api: Api) -> None:
    campaign = await Campaign.at(api.db, members=1)
    [ann] = campaign.members
    friends = await bring(campaign, ann, 4)
    await doubt(campaign, *friends[:2])
    await doubt(campaign, friends[2], reason="velocity")
    judge = await api.user("judge", Role.MODERATOR)
    page = await window(api, judge)
    text = await look(page, "/staff/invitations?limit=2")
    assert text.count('<th scope="row">') == 2
    more = re.search(r'rel="next" href="([^"]+)"', text)
    assert more
    assert (await look(page, html.unescape(more[1]) + "&limit=2")).count('<th scope="row">') == 1
    fast = await look(page, "/staff/invitations?reason=velocity")
    assert fast.count('<th scope="row">') == 1
    for reason, number in (("velocity", 1), ("ring", 2), ("lookalike_address", 0)):
        listed = await judge.get("/staff/invitations/doubtful", params={"reason": reason})
        assert len(listed.json()["items"]) == number
    [path] = re.findall(r'href="(/staff/invitations/[0-9a-f-]{36})"', fast)
    case = await look(page, path)
    assert en("page.doubts.why.velocity") in case
    assert en("page.doubts.same_client_text", count=2, own=2, others=0) in case
    assert "@people.example" not in case
    assert (await page.post(f"{SITE}{path}/decision", data={})).status_code == 422
    unexplained = await page.post(f"{SITE}{path}/decision", data={"decision": "reject"})
    assert unexplained.status_code == 422
    assert en("field.unexplained") in unexplained.text
    decided = await page.post(
        f"{SITE}{path}/decision", data={"decision": "reject", "note": "All one <b>person"}
    )
    assert decided.headers["location"] == f"{path}?done=friend_rejected"
    after = await look(page, path + "?done=friend_rejected")
    assert "All one &lt;b&gt;person" in after
    again = await page.post(f"{SITE}{path}/decision", data={"decision": "count"})
    assert again.status_code == 409
    [note] = await api.rows(select(notes))
    assert (note["author_id"], note["kind"]) == (judge.id, "invitation")
    assert len(await api.rows(select(invitation_joins).where(invitation_joins.c.status == "rejected"))) == 1
    assert en("page.doubts.none") in await look(page, "/staff/invitations?reason=velocity")
    manager = await window(api, await api.user("boss", Role.CAMPAIGN_MANAGER))
    assert 'href="/staff/invitations"' in await look(manager, "/staff/campaigns")
    member = await window(api, await api.user("member"))
    await look(member, "/staff/invitations", 403)


async def test_several_cases_are_decided_alike_and_each_by_itself(api: Api) -> None:
    campaign = await Campaign.at(api.db, members=1)
    friends = await bring(campaign, campaign.members[0], 6)
    await doubt(campaign, *friends)
    judge = await api.user("judge", Role.CAMPAIGN_MANAGER)
    page, at = await window(api, judge), f"{SITE}/staff/invitations/decisions"
    shown = re.findall(r'name="cases" value="([^"]+)"', await look(page, "/staff/invitations"))
    assert len(shown) == 6
    for wrong in ({"decision": "count"}, {"cases": shown[:2]}, {"decision": "count", "cases": ["x"]}):
        assert (await page.post(at, data=wrong)).status_code == 422
    chosen = {"cases": shown[:2], "decision": "count", "note": "A family, seen together."}
    done = await page.post(f"{at}?reason=ring", data=chosen | {"shown": shown})
    assert done.headers["location"] == "/staff/invitations?reason=ring&done=friends_decided"
    # One that is decided meanwhile holds up no other, and is not decided again.
    again = await page.post(at, data={"cases": shown[1:3], "decision": "reject", "note": "One person."})
    assert again.status_code == 409
    rest = re.findall(r'name="cases" value="([^"]+)"', again.text)
    assert rest == shown[3:]
    all_of_them = {"all": "yes", "shown": rest, "decision": "reject"}
    unexplained = await page.post(at, data=all_of_them)
    assert unexplained.status_code == 422
    assert en("field.unexplained") in unexplained.text
    all_of_them["note"] = "The same."
    assert (await page.post(at, data=all_of_them)).status_code == 303
    assert en("page.doubts.none") in await look(page, "/staff/invitations?done=friends_decided")
    rows = {row["id"]: row["status"] for row in await api.rows(select(invitation_joins))}
    assert [rows[one] for one in shown] == ["joined"] * 2 + ["rejected"] * 4
    assert [note["author_id"] for note in await api.rows(select(notes))] == [judge.id] * 6
    member = await window(api, await api.user("member"))
    assert (await member.post(at, data=all_of_them)).status_code == 403


async def test_a_case_shows_addresses_only_where_it_is_about_them(api: Api) -> None:
    campaign = await Campaign.at(api.db, members=1)
    first, second = await bring(campaign, campaign.members[0], 2)
    await doubt(campaign, first, reason="lookalike_address")
    judge = await api.user("judge", Role.CAMPAIGN_MANAGER)
    [one] = (await judge.get("/staff/invitations/doubtful")).json()["items"]
    case = (await judge.get(f"/staff/invitations/doubtful/{one['id']}")).json()
    assert case["friend_about"]["email"] == f"{first}@people.example"
    assert [earlier["friend_name"] for earlier in case["earlier"]] == [f"Shown {second[-4:]}"]
    assert case["earlier_by_status"] == {"joined": 1}
    assert (case["status"], case["days_done"], case["severed"]) == ("doubtful", 0, False)
    [plain] = [row["id"] for row in await api.rows(select(invitation_joins)) if row["friend_id"] == second]
    problem(await judge.get(f"/staff/invitations/doubtful/{plain}"), 404, "not_found")


async def test_the_leader_decides_about_nobody_in_the_own_campaign(api: Api) -> None:
    boss = await api.user("boss", Role.CAMPAIGN_MANAGER)
    campaign = await Campaign.at(api.db, members=1, leader=boss.id)
    friends = await bring(campaign, campaign.members[0])
    await doubt(campaign, *friends)
    [one] = (await boss.get("/staff/invitations/doubtful")).json()["items"]
    decision = f"/staff/invitations/doubtful/{one['id']}/decision"
    problem(await boss.post(decision, {"decision": "count"}), 403, "own_campaign")


async def test_the_invited_see_who_invited_them_and_cut_the_link(api: Api) -> None:
    bob = await api.user("bob")
    here, there = [await Campaign.at(api.db, members=1, day=1) for _ in range(2)]
    now = datetime.now(UTC)
    for campaign in (here, there):

        def come(conn: Any, campaign: Campaign = campaign) -> None:
            [ann] = campaign.members
            made = invitation_codes.personal(conn, campaign.id, ann, Channel.LINK, 30, now)
            enrolments.enrol(conn, campaign.id, bob.id, EnrolIn(invite_code=made.code), now)

        await api.db.write(come)
    page = await window(api, bob)
    names = [f"Shown {campaign.members[0][-4:]}" for campaign in (here, there)]
    own = await look(page, f"/campaigns/{here.id}/me")
    assert en("page.inviters.here", name=names[0]) in own
    account = await look(page, "/account")
    assert all(name in account for name in names)
    assert account.count(en("page.inviters.final")) == 2
    cut = await page.post(f"{SITE}/account/inviters/sever", data={"campaign_id": here.id})
    assert cut.headers["location"] == "/account?done=severed"
    left = (await bob.get("/me/inviters")).json()["items"]
    assert [one["campaign_id"] for one in left] == [there.id]
    assert names[0] not in await look(page, f"/campaigns/{here.id}/me")
    assert (await here.member(bob.id))["invited_by"] is None
    assert (await there.member(bob.id))["invited_by"] is not None
    problem(await bob.post("/me/inviter/sever", {"campaign_id": "x"}), 422, "validation_failed")
    assert (await bob.post("/me/inviter/sever")).status_code == 204
    assert en("page.inviters") not in await look(page, "/account")


async def test_the_tree_of_the_report_is_the_tree_of_the_pages(api: Api) -> None:
    """Level by level, the pages lead to everybody whom the report counts."""
    campaign = await Campaign.at(api.db, members=3, leader=(await api.user("leader")).id)
    people, edges = list(campaign.members), []
    for number in range(25):
        inviter = people[(number * 7) % len(people)]
        [friend] = await bring(campaign, inviter)
        edges.append((friend, inviter))
        people.append(friend)

    def walk(conn: Any) -> int:
        row = type("Row", (), {"id": campaign.id})()
        found, level = 0, invitation_tree.roots(conn, row, None, 100)
        while level:
            level = [
                child
                for node in level
                for child in invitation_tree.children(conn, row, node.person_id, None, 100)
            ]
            found += len(level)
        return found

    assert await api.db.read(walk) == tree(edges).people == 25
