"""Notes that go out: featured with their authors' say, found by strangers, visited, passed on, taken down."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select, update

from db.repositories import campaign_reports
from db.tables.campaigns import campaigns, check_ins
from db.tables.mail import mails
from db.tables.people import people
from db.tables.shares import featured_notes, note_shares, share_joins, share_visits
from domain.campaigns.terms import Status
from domain.people import Role
from settings import Settings
from tests.support.browser import OWN_PAGE
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import BASE, Api, User, problem, running_api

SITE = BASE.removesuffix("/api/v1")
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Accept-Language": "en"}
HOSTILE = "<script>alert(1)</script> {{ 7*7 }} {% raw %} \"><img src=x onerror=alert(2)> &amp; 「引号」 'x'"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


class Case:
    """A campaign on its first day with a leader and an author who has checked in."""

    def __init__(self, api: Api, campaign: Campaign, leader: User, author: User, check_in_id: str) -> None:
        self.api, self.campaign, self.leader, self.author = api, campaign, leader, author
        self.check_in_id = check_in_id

    @classmethod
    async def begin(cls, api: Api, note: str = NOTE, **checked: Any) -> "Case":
        leader, author = await api.user("leader"), await api.user("ann", display_name="Ann <b>Lee</b>")
        campaign = await Campaign.at(api.db, leader=leader.id)
        assert await campaign.enrol(author.id) == "enrolled"
        await campaign.go(1)
        body = {"note": note} | checked
        done = await author.post(f"/campaigns/{campaign.id}/checkins", body)
        assert done.status_code == 201, done.text
        return cls(api, campaign, leader, author, done.json()["id"])

    async def feature(self, by: User | None = None) -> httpx2.Response:
        return await (by or self.leader).post(f"/checkins/{self.check_in_id}/feature")

    async def featured(self) -> str:
        answer = await self.feature()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["code"])

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.api.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=SITE, headers=BROWSER | headers, timeout=60)

    async def visits(self) -> int:
        return len(await self.api.rows(select(share_visits.c.visitor)))

    async def status_of(self, code: str) -> tuple[int, str]:
        async with self.browser() as browser:
            answer = await browser.get(f"/s/{code}")
            return answer.status_code, answer.headers.get("x-robots-tag", "")


async def test_the_leader_features_and_the_author_is_told_once_a_day(api: Api) -> None:
    case = await Case.begin(api)
    first = (await case.feature()).json()
    assert len(first["code"]) >= 22
    assert first["url"].endswith(f"/s/{first['code']}")
    assert (await case.feature()).json() == first
    manager = await api.user("manager", Role.CAMPAIGN_MANAGER)
    down = await manager.http.delete(f"/checkins/{case.check_in_id}/feature")
    assert down.status_code == 204
    assert (await case.status_of(first["code"]))[0] == 410
    again = (await case.feature(manager)).json()
    assert again["code"] == first["code"]
    told = await api.rows(select(mails.c.template, mails.c.person_id, mails.c.list_mail, mails.c.data))
    [one] = [mail for mail in told if mail["template"] == "campaign_note_featured"]
    assert (one["person_id"], one["list_mail"]) == (case.author.id, False)
    assert NOTE not in str(one["data"])
    stored = await api.rows(select(check_ins.c.featured_at))
    assert stored[0]["featured_at"] is not None


async def test_nobody_else_features_and_the_note_does_not_exist_to_them(api: Api) -> None:
    case = await Case.begin(api)
    problem(await case.feature(case.author), 404, "not_found")
    problem(await case.feature(await api.user("stranger")), 404, "not_found")
    other = await case.author.http.put(f"/checkins/{case.check_in_id}/privacy", json={"private": True})
    assert other.status_code == 204
    foreign = await case.leader.http.put(f"/checkins/{case.check_in_id}/privacy", json={"private": False})
    problem(foreign, 404, "not_found")
    problem(await case.feature(), 409, "feature_declined")


async def test_a_note_kept_private_when_it_is_written_is_not_featured(api: Api) -> None:
    case = await Case.begin(api, private=True)
    problem(await case.feature(), 409, "feature_declined")


GONE: dict[str, Any] = {
    "declined": lambda c: c.author.http.put(
        f"/campaigns/{c.campaign.id}/sharing", json={"choice": "declined"}
    ),
    "private": lambda c: c.author.http.put(f"/checkins/{c.check_in_id}/privacy", json={"private": True}),
    "left": lambda c: c.author.http.delete(f"/campaigns/{c.campaign.id}/enrolments/me"),
    "suspended": lambda c: c.api.execute(
        update(people).where(people.c.id == c.author.id).values(status="suspended")
    ),
    "deleted": lambda c: c.api.execute(
        update(people).where(people.c.id == c.author.id).values(status="deleted")
    ),
    "erased": lambda c: c.api.execute(delete(people).where(people.c.id == c.author.id)),
    "unfeatured": lambda c: c.leader.http.delete(f"/checkins/{c.check_in_id}/feature"),
}


@pytest.mark.parametrize("how", GONE)
async def test_it_is_gone_at_once_and_cannot_come_back(api: Api, how: str) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    assert await case.status_of(code) == (200, "")
    done = await GONE[how](case)
    assert done is None or done.status_code < 300, done.text
    async with case.browser() as browser:
        for path in (f"/s/{code}", f"/s/{code}/preview.png", f"/api/v1/shared-notes/{code}"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["x-robots-tag"]) == (410, "noindex"), path
            assert NOTE not in answer.text
        assert (await browser.post(f"/s/{code}/shares", data={"channel": "link"})).status_code == 410
    if how == "left":
        # Coming back does not bring the note back.
        await case.campaign.enrol(case.author.id)
        assert (await case.status_of(code))[0] == 410
    elif how not in {"unfeatured", "erased"}:
        expected = "feature_declined" if how in {"declined", "private"} else "feature_author_gone"
        problem(await case.feature(), 409, expected)


async def test_a_choice_that_comes_together_with_the_featuring_wins(api: Api) -> None:
    case = await Case.begin(api)
    answer, _ = await asyncio.gather(case.feature(), GONE["declined"](case))
    shown = await api.rows(select(featured_notes.c.ended_at))
    assert answer.status_code == 409 or shown[0]["ended_at"] is not None


async def test_the_page_says_what_social_apps_read_and_runs_nothing(api: Api) -> None:
    case = await Case.begin(api, HOSTILE)
    await api.execute(update(campaigns).values(title='30 天 <b>"理财"</b>', summary="<i>x</i>"))
    code = await case.featured()
    async with case.browser() as browser:
        answer = await browser.get(f"/s/{code}")
    page = answer.text
    assert answer.status_code == 200
    for raw in ("<script>alert", "<img src=x", "<b>Lee", '<b>"', "<i>x", "49 "):
        assert raw not in page
    assert "{{ 7*7 }}" in page
    assert "Ann &lt;b&gt;Lee&lt;/b&gt;" in page
    base = api.app.state.settings.public_url
    assert f'<link rel="canonical" href="{base}/s/{code}">' in page
    assert f'property="og:image" content="{base}/s/{code}/preview.png"' in page
    for name in ("og:title", "og:description", "og:url", "og:site_name", "twitter:card", "twitter:image"):
        assert re.search(rf'"{name}" content="[^"]+"', page), name
    assert "noindex" not in page
    assert "x-robots-tag" not in answer.headers
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "http-equiv" not in page


async def test_the_author_may_stay_unnamed(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    chosen = {"choice": "anonymous"}
    url = f"/campaigns/{case.campaign.id}/sharing"
    assert (await case.author.http.put(url, json=chosen)).json() == chosen
    assert (await case.author.get(url)).json() == chosen
    async with case.browser() as browser:
        page = (await browser.get(f"/s/{code}")).text
        out = (await browser.get(f"/api/v1/shared-notes/{code}")).json()
    assert "Ann" not in page
    assert "A member" in page
    assert (out["author"], out["note"]) == (None, NOTE)
    problem(await case.author.http.put(url, json={"choice": "loud"}), 422, "validation_failed")
    problem(await (await api.user("x")).http.put(url, json=chosen), 403, "not_enrolled")


async def test_a_visitor_counts_once_with_and_without_a_cookie(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    for _ in range(2):
        async with case.browser() as browser:
            for _ in range(2):
                assert (await browser.get(f"/s/{code}")).status_code == 200
    assert await case.visits() == 1
    async with case.browser(**{"User-Agent": "Mozilla/5.0 Safari/605.1"}) as browser:
        await asyncio.gather(*(browser.get(f"/s/{code}") for _ in range(8)))
        # Another program with the same cookie is the same visitor; a cookie that was made up is none.
        await browser.get(f"/s/{code}", headers={"User-Agent": "Mozilla/5.0 Changed"})
    assert await case.visits() == 2
    async with case.browser(Cookie="kameng_reader=forged.value") as browser:
        await browser.get(f"/s/{code}")
    assert await case.visits() == 2
    stored = str(await api.rows(select(share_visits)))
    assert "127.0.0.1" not in stored
    assert "Mozilla" not in stored


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"User-Agent": "facebookexternalhit/1.1"}),
        ("GET", {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
        ("GET", {"User-Agent": "TelegramBot (like TwitterBot)"}),
        ("GET", {"User-Agent": "python-httpx/1.0"}),
        ("GET", {"User-Agent": ""}),
        ("GET", {"Accept-Language": ""}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
    ],
)
async def test_programs_are_no_visitors(api: Api, method: str, headers: dict[str, str]) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    async with case.browser(**headers) as browser:
        answer = await browser.request(method, f"/s/{code}")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert await case.visits() == 0


async def test_the_leader_and_the_author_are_no_visitors(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    for user in (case.leader, case.author):
        async with case.browser(Authorization=user.http.headers["authorization"]) as browser:
            assert (await browser.get(f"/s/{code}")).status_code == 200
    assert await case.visits() == 0
    member = await api.user("member")
    async with case.browser(Authorization=member.http.headers["authorization"]) as browser:
        await browser.get(f"/s/{code}")
    assert await case.visits() == 1


async def test_only_the_host_of_where_somebody_came_from_is_kept(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    came = {
        "a": "https://News.example/secret?q=me",
        "b": "http://user:pw@evil.example:81/x",
        "c": f"{SITE}/x",
    }
    for agent, referrer in came.items():
        async with case.browser(Referer=referrer, **{"User-Agent": f"Mozilla/5.0 {agent}"}) as browser:
            await browser.get(f"/s/{code}")
    found = (await case.leader.get(f"/checkins/{case.check_in_id}/visits")).json()
    assert {one["host"] for one in found} == {"news.example", "evil.example", "kameng.test"}
    assert {one["day"] for one in found} == {datetime.now(UTC).date().isoformat()}
    problem(await case.author.get(f"/checkins/{case.check_in_id}/visits"), 404, "not_found")


async def test_one_client_is_not_believed_to_be_everybody(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    for number in range(70):
        async with case.browser(**{"User-Agent": f"Mozilla/5.0 made up {number}"}) as browser:
            assert (await browser.get(f"/s/{code}")).status_code == 200
    assert await case.visits() == 60


async def test_codes_are_not_to_be_tried(api: Api) -> None:
    case = await Case.begin(api)
    await case.featured()
    async with case.browser() as browser:
        answers = [(await browser.get(f"/s/{'A' * 21}{chr(65 + n % 26)}")).status_code for n in range(62)]
    assert set(answers[:60]) == {404}
    assert answers[-1] == 429


async def test_joining_after_reading_is_counted_once(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    bob, cat = await api.user("bob"), await api.user("cat")
    join = f"/api/v1/campaigns/{case.campaign.id}/enrolments"
    async with case.browser(**OWN_PAGE) as browser:
        await browser.get(f"/s/{code}")
        for _ in range(2):
            done = await browser.post(
                join, json={}, headers={"Authorization": bob.http.headers["authorization"]}
            )
            assert done.status_code in (200, 201), done.text
    assert (await cat.post(f"/campaigns/{case.campaign.id}/enrolments")).status_code == 201
    assert [row["person_id"] for row in await api.rows(select(share_joins.c.person_id))] == [bob.id]
    listed = (await case.leader.get(f"/campaigns/{case.campaign.id}/featured")).json()["items"]
    assert [(one["visits"], one["joins"]) for one in listed] == [(1, 1)]
    problem(await bob.get(f"/campaigns/{case.campaign.id}/featured"), 404, "not_found")


async def test_passing_on_is_counted_once_a_channel_and_reported(api: Api) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    async with case.browser(**OWN_PAGE) as browser:
        for channel, location in (
            ("link", f"/s/{code}?done=shared"),
            ("poster", f"/s/{code}/preview.png"),
        ) * 2:
            answer = await browser.post(f"/s/{code}/shares", data={"channel": channel})
            assert (answer.status_code, answer.headers["location"]) == (303, location)
        assert (await browser.post(f"/s/{code}/shares", data={"channel": "fax"})).status_code in (404, 422)
    told = await case.author.post(f"/shared-notes/{code}/shares", {"channel": "link"})
    assert told.status_code == 204
    assert len(await api.rows(select(note_shares))) == 3
    async with case.browser() as browser:
        await browser.get(f"/s/{code}")
    await case.campaign.go(31, Status.SETTLING)
    at = datetime.now(UTC) + timedelta(minutes=1)
    campaign_id = case.campaign.id
    await api.db.write(lambda conn: campaign_reports.make(conn, campaign_id, at))
    report = (await case.leader.get(f"/campaigns/{campaign_id}/report")).json()
    assert report["featured"] == {"notes": 1, "visits": 1, "joins": 0}
    table = (await case.leader.get(f"/campaigns/{campaign_id}/report.csv")).text
    assert "featured_visits,,1" in table


async def test_the_studio_lists_filters_and_features_without_scripts(api: Api) -> None:
    case = await Case.begin(api)
    bob = await api.user("bob")
    assert await case.campaign.enrol(bob.id) == "enrolled"
    long = NOTE + " " + "It was longer than that, and about other things as well."
    assert (await case.campaign.check_in(bob.id, note=long)).outcome == "counted"
    feed = f"/campaigns/{case.campaign.id}/notes"
    longest = (await case.leader.get(f"{feed}?order=longest&limit=1")).json()
    assert [one["note"] for one in longest["items"]] == [long]
    rest = (await case.leader.get(f"{feed}?order=longest&limit=1&cursor={longest['next_cursor']}")).json()
    assert [(one["note"], one["may_feature"]) for one in rest["items"]] == [(NOTE, True)]
    assert (await case.leader.get(f"{feed}?day=2")).json()["items"] == []
    problem(await bob.get(feed), 404, "not_found")
    auth = {"Authorization": case.leader.http.headers["authorization"]}
    page = f"/studio/campaigns/{case.campaign.id}/notes"
    async with case.browser(**OWN_PAGE, **auth) as browser:
        assert NOTE in (await browser.get(f"{page}?day=1&order=longest")).text
        done = await browser.post(f"{page}/{case.check_in_id}/feature", data={"day": "1", "order": "longest"})
        assert done.headers["location"] == f"{page}?order=longest&day=1&done=note_featured"
        shown = (await browser.get(f"{page}?done=note_featured")).text
        assert "take-down" in shown
        await browser.post(f"{page}/{case.check_in_id}/take-down")
        await GONE["declined"](case)
        refused = await browser.post(f"{page}/{case.check_in_id}/feature")
        assert (refused.status_code, "keeps this note private" in refused.text) == (409, False)


async def test_the_preview_is_a_picture_of_its_size(api: Api) -> None:
    case = await Case.begin(api, HOSTILE + "字" * 3000)
    code = await case.featured()
    async with case.browser() as browser:
        answer = await browser.get(f"/s/{code}/preview.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(answer.content[16:20]), int.from_bytes(answer.content[20:24])) == (1200, 630)
