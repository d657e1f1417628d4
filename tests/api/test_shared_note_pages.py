"""Pages about shared notes: a campaign's, as everybody sees them, and where the visits of one came from."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import insert, select, update

from api.pages.visits_plot import by_day, by_host
from api.schemas.shares import VisitsOut
from db.tables.campaigns import campaigns
from db.tables.shares import featured_notes, share_visits
from domain.campaigns.terms import Status
from settings import Settings
from tests.api.test_campaign_pages import en
from tests.api.test_shared_notes import GONE, Case
from tests.support.browser import OWN_PAGE
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import Api, problem, running_api


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


async def test_who_may_see_the_campaign_reads_what_is_shown_and_nothing_else(api: Api) -> None:
    case = await Case.begin(api)
    bob, path = await api.user("bob"), f"/campaigns/{case.campaign.id}/shared-notes"
    assert await case.campaign.enrol(bob.id) == "enrolled"
    assert (await case.campaign.check_in(bob.id, note="Not for everybody: " + NOTE)).outcome == "counted"
    assert (await bob.get(path)).json()["items"] == []
    code = await case.featured()
    (shown,) = (await bob.get(path)).json()["items"]
    assert (shown["code"], shown["note"], shown["author"]) == (code, NOTE, "Ann <b>Lee</b>")
    page = f"/campaigns/{case.campaign.id}/notes"
    async with case.browser(**OWN_PAGE, Authorization=bob.http.headers["authorization"]) as browser:
        text = (await browser.get(page)).text
        assert f'href="/s/{code}"' in text
        assert "Ann &lt;b&gt;Lee" in text
        assert "Not for everybody" not in text
        await case.author.http.put(f"/campaigns/{case.campaign.id}/sharing", json={"choice": "anonymous"})
        text = (await browser.get(page)).text
        assert en("page.share.unnamed") in text
        assert "Ann" not in text.partition("<main")[2]
        await GONE["declined"](case)
        assert en("page.featured.none") in (await browser.get(page)).text
    assert (await bob.get(path)).json()["items"] == []


async def test_pages_of_a_campaign_that_one_may_not_see_do_not_exist(api: Api) -> None:
    case = await Case.begin(api)
    bob = await api.user("bob")
    await case.campaign.go(0, Status.DRAFT)
    problem(await bob.get(f"/campaigns/{case.campaign.id}/shared-notes"), 404, "not_found")


@pytest.mark.parametrize(
    ("day", "status", "taken", "said"),
    [
        (2, Status.RUNNING, 2, "open"),
        (3, Status.RUNNING, 2, "late"),
        (2, Status.PAUSED, 2, "paused"),
        (2, Status.RUNNING, 500, "full"),
        (31, Status.SETTLED, 2, "over"),
    ],
)
async def test_strangers_are_asked_to_join_only_where_they_can(
    api: Api, day: int, status: Status, taken: int, said: str
) -> None:
    case = await Case.begin(api)
    code = await case.featured()
    row = await case.campaign.row()
    plan = row["plan"] | {"late_enrolment_until_day": 2, "waiting_list": False, "capacity": 500}
    await api.execute(
        update(campaigns)
        .where(campaigns.c.id == case.campaign.id)
        .values(plan=plan, seats_taken=taken, length_days=30)
    )
    await case.campaign.go(day, status)
    async with case.browser() as browser:
        text = (await browser.get(f"/s/{code}")).text
    assert en(f"page.share.{said}", count=30) in text
    assert (en("page.share.join") in text) is (said == "open")


async def test_the_leader_sees_where_visits_came_from(api: Api) -> None:
    case = await Case.begin(api)
    await case.featured()
    (note,) = await api.rows(select(featured_notes.c.id))
    visits = [
        {"featured_id": note["id"], "visitor": f"v{number}", "day": day, "referrer_host": host}
        for number, (day, host) in enumerate(
            [("2026-03-02", "news.example"), ("2026-03-02", ""), ("2026-03-05", "news.example")]
        )
    ]
    await api.execute(insert(share_visits).values(visits))
    path = f"/studio/campaigns/{case.campaign.id}/notes/{case.check_in_id}/visits"
    async with case.browser(**OWN_PAGE, Authorization=case.leader.http.headers["authorization"]) as browser:
        notes = (await browser.get(path.rpartition("/notes/")[0] + "/notes")).text
        text = (await browser.get(path)).text
    assert "news.example" in text
    assert en("page.visits.unknown") in text
    words = en("page.visits.plot", count=3, first="March 2, 2026", last="March 5, 2026")
    assert words in text
    # All notes together, on the page of the notes.
    assert f'href="{path}"' in notes
    assert words in notes
    other = await Campaign.at(api.db, leader=case.leader.id)
    elsewhere = path.replace(case.campaign.id, other.id)
    for user, wanted in ((case.author, path), (case.leader, elsewhere)):
        async with case.browser(**OWN_PAGE, Authorization=user.http.headers["authorization"]) as browser:
            assert (await browser.get(wanted)).status_code == 404


def test_days_without_visits_are_days_too() -> None:
    found = [
        VisitsOut(day="2028-03-01", host="b.example", visits=2),
        VisitsOut(day="2028-02-28", host="a.example", visits=1),
        VisitsOut(day="2028-02-28", host="b.example", visits=1),
    ]
    days = by_day(found)
    assert [(one.on, one.checked_in) for one in days] == [
        (date(2028, 2, 28), 2),
        (date(2028, 2, 29), 0),
        (date(2028, 3, 1), 2),
    ]
    assert by_host(found) == [("b.example", 3), ("a.example", 1)]
    assert by_day([]) == []
