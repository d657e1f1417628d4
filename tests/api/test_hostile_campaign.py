"""A campaign whose leader means harm: its title and texts are words on every page, and in its mails."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from db.tables.campaigns import campaigns
from domain.campaigns.terms import Status
from domain.people import Role
from settings import Settings
from tests.api import test_invitation_mails as by_mail
from tests.api.test_campaign_pages import SITE, begun, look, reported, window
from tests.support.browser import browser
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, problem, running_api

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}&amp;"
OVERRIDE = "\u202e"
WORDS = {
    "title": f"T {EVIL} {OVERRIDE}gnp",
    "summary": f"S {EVIL}",
    "description": f"D {EVIL}\r\n\r\nBcc: all@evil.example\r\n{'W' * 3000}",
    "task": f"K {EVIL}",
}


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": sqlite_url, "public_url": SITE, "staff_second_factor": False}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


class Seen(HTMLParser):
    """What a browser makes of a page: its words, and what it would run or fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.harm: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.words += [value for value in given.values() if value]
        if any(name.startswith("on") for name in given) or given.get("src") == "x":
            self.harm.append((tag, attrs))
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.harm.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Malice:
    """One leader's campaigns in several states, all with the same words, and who looks at them."""

    api: Api
    leader: httpx2.AsyncClient
    user: User
    settled: str
    draft: str
    kept: dict[str, str]
    running: Campaign
    waiting: Campaign
    read: set[str] = field(default_factory=set)

    @classmethod
    async def begin(cls, api: Api) -> "Malice":
        leader, user, settled = await reported(api, "Overwritten")
        draft = (await begun(leader)).rpartition("/")[2]
        kept = await write(user, draft)
        running = await Campaign.at(api.db, day=2, leader=user.id)
        waiting = await Campaign.at(api.db, status=Status.IN_REVIEW, leader=user.id)
        await api.execute(update(campaigns).values(**kept))
        return cls(api, leader, user, settled, draft, kept, running, waiting)

    async def reads(self, client: httpx2.AsyncClient, path: str, *texts: str) -> None:
        """Open a page: the title and ``texts`` are there as they were kept, and nothing else happens."""
        page = await look(client, path)
        seen = Seen(page)
        assert seen.harm == [], path
        assert "<script>alert" not in page, path
        assert OVERRIDE not in page, path
        words = "\n".join(seen.words)
        for text in ("title", *texts):
            assert self.kept[text] in words, (path, text)


async def write(leader: User, campaign_id: str) -> dict[str, str]:
    """Write the words into the draft by the API; return what it kept of them."""
    path = f"/campaigns/{campaign_id}"
    version = (await leader.get(path)).headers["etag"]
    match = {"If-Match": version}
    for nothing in ("A title\r\nBcc: all@evil.example", OVERRIDE):
        problem(
            await leader.http.patch(path, json={"title": nothing}, headers=match), 422, "validation_failed"
        )
    done = await leader.http.patch(path, json=WORDS, headers=match)
    assert done.status_code == 200, done.text
    kept = {name: str(done.json()[name]) for name in WORDS}
    # What turns the words around that follow is left out; nothing else of the title is.
    assert kept["title"] == WORDS["title"].replace(OVERRIDE, "")
    assert "\r" not in kept["description"]
    return kept


async def test_the_leader_and_staff_read_words(api: Api) -> None:
    case = await Malice.begin(api)
    await case.reads(case.leader, "/studio")
    await case.reads(case.leader, f"/studio/campaigns/{case.draft}", "summary", "description", "task")
    await case.reads(case.leader, f"/studio/campaigns/{case.running.id}")
    await case.reads(case.leader, f"/studio/campaigns/{case.draft}/rehearsals")
    await case.reads(case.leader, f"/studio/campaigns/{case.running.id}/notes")
    await case.reads(case.leader, f"/studio/campaigns/{case.running.id}/invitations")
    await case.reads(case.leader, f"/studio/campaigns/{case.settled}/report")
    table = await case.leader.get(f"{SITE}/studio/campaigns/{case.settled}/report.csv")
    assert table.status_code == 200
    assert "alert" not in str(table.headers)
    staff, _ = await window(api, "staff", Role.CAMPAIGN_MANAGER)
    await case.reads(staff, "/staff/campaigns")
    await case.reads(staff, f"/staff/campaigns/{case.waiting.id}", "summary", "description", "task")


async def test_members_and_guests_read_words(api: Api) -> None:
    case = await Malice.begin(api)
    member, ann = await window(api, "ann")
    path = f"/campaigns/{case.running.id}"
    for client in (await browser(api, SITE), member):
        await case.reads(client, "/campaigns", "summary")
    await case.reads(await browser(api, SITE), "/")
    await case.reads(member, path, "description", "task")
    await case.running.enrol(ann.id)
    await case.reads(member, "/")
    await case.reads(member, f"{path}/me", "task")
    for page in ("leaderboard", "notes", "invitations"):
        await case.reads(member, f"{path}/{page}")
    invitation = await by_mail.invite(ann, case.running)
    await case.reads(await browser(api, SITE), f"/i/{invitation['code']}")


async def test_its_mails_have_a_subject_of_one_line(api: Api) -> None:
    case = await Malice.begin(api)
    _, ann = await window(api, "ann")
    await case.running.enrol(ann.id)
    # As no title comes in, but as one may have been stored by what did not look.
    broken = f"{{{{ 7*7 }}}}<img src=x>\r\nBcc: all@evil.example{OVERRIDE}"
    await api.execute(update(campaigns).values(title=broken))
    await by_mail.invite(ann, case.running)
    letters = await by_mail.send(api)
    assert letters
    for letter in letters:
        mail = by_mail.rendered(api, letter)
        assert not re.search(rf"[\r\n{OVERRIDE}]", mail.subject)
        assert "{{ 7*7 }}" in mail.text
        assert not [harm for harm in Seen(mail.html).harm if harm[0] != "a"]
