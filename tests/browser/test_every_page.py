"""Every page in every state, in both languages: accessible, light and dark, narrow enough, guarded."""

from collections.abc import Sequence

import pytest
from playwright.async_api import expect

from db.database import Database
from db.statements import chunked
from domain.vetting.desk import Queue
from engine.seed_people import APPLICANTS
from tests.browser.conftest import Window
from tests.browser.looks import both_languages, faults, look_over
from tests.browser.seeded import application_of, ballot_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

NOBODY = "00000000-0000-7000-8000-000000000000"
SUBMITTED = [someone.key for someone in APPLICANTS if someone.key not in ("drafting", "changing")]
DECIDES = {
    "disputed": "lead",
    "reported": "moderator",
    "waiting": "reviewer3",
    "leader1": "admin",
    # He holds it: others are told so, and by whom.
    "halfway": "reviewer3",
}
STEPS = ("profile", "statement", "credentials", "documents", "check")


@pytest.mark.parametrize(("locale", "scheme"), [("zh-CN", "light"), ("en", "dark")], ids=["zh", "en"])
async def test_pages_of_strangers(open_window: Window, database: Database, locale: str, scheme: str) -> None:
    ballot = await ballot_of(database, "candidate")
    async with open_window(locale, color_scheme=scheme) as guest:
        found = []
        for path in ("/", "/leaders", "/ballots", "/sign-in", "/dev", "/outbox", "/sign-in?token=abc"):
            found += await look_over(guest, path, dark=False)
        for path in ("/nowhere", f"/outbox/{NOBODY}"):
            found += await look_over(guest, path, 404, dark=False)
        # The way to sign in, which is looked over above.
        found += await look_over(guest, f"/ballots/{ballot}", axe=False)
        assert not found, "\n".join(found)
        assert "/sign-in?next=" in guest.page.url


async def test_pages_of_a_draft(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        await guest.be("drafting")
        at = f"/applications/{await application_of(database, 'drafting')}"
        paths = [
            "/applications",
            "/applications/new",
            "/account",
            "/account/access",
            "/account/second-factor",
            *(f"{at}/edit/{step}" for step in STEPS),
        ]
        await both_languages(guest, paths)


async def test_pages_while_changes_are_requested(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        await guest.be("changing")
        at = f"/applications/{await application_of(database, 'changing')}"
        await both_languages(guest, [at, *(f"{at}/edit/{step}" for step in STEPS)])


@pytest.mark.parametrize("keys", list(chunked(SUBMITTED, 4)), ids="-".join)
async def test_status_pages(open_window: Window, database: Database, keys: Sequence[str]) -> None:
    async with open_window() as guest:
        for key in keys:
            await guest.be(key)
            await both_languages(guest, [f"/applications/{await application_of(database, key)}"])


async def test_pages_of_voters(open_window: Window, database: Database) -> None:
    states = ("candidate", "leader1", "extended", "unheard")
    ballots = [f"/ballots/{await ballot_of(database, key)}" for key in states]
    async with open_window() as guest:
        await guest.be("member17")
        await both_languages(guest, ["/", "/ballots", *ballots, f"{ballots[1]}/receipts"])
        found = []
        for path in (f"/ballots/{NOBODY}", f"/applications/{await application_of(database, 'waiting')}"):
            found += await look_over(guest, path, 404, axe=False)
        assert not found, "\n".join(found)


async def test_pages_of_ones_certificates(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        for key in ("leader1", "creator", "prolonged", "member17"):
            await guest.be(key)
            await both_languages(guest, ["/certificates"])
        await guest.be("creator")
        await guest.go("/certificates")
        await guest.says(guest.word("reason", "targets_missed"))
        await guest.follow(guest.page.locator("main a[href^='/applications/0']").first)
        assert guest.page.url.endswith(await application_of(database, "creator"))


async def test_how_applications_ended_is_told(open_window: Window, database: Database) -> None:
    ends = {"withdrawn": "withdrawn", "expired": "expired", "upheld": "rejected"}
    async with open_window() as guest:
        for key, status in ends.items():
            await guest.be(key)
            await guest.go(f"/applications/{await application_of(database, key)}")
            await guest.says(guest.word("status", status))
        await guest.be("unheard")
        await guest.go(f"/applications/{await application_of(database, 'unheard')}")
        await guest.says(guest.word("reason", "no_quorum"))


async def test_the_desk(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        await guest.be("lead")
        queues = [f"/staff?kind={queue.value}" for queue in Queue]
        await both_languages(guest, ["/staff", "/staff?show=mine&q=nobody-at-all", "/staff/policy", *queues])
        await guest.go("/staff/policy")
        assert await guest.page.locator("#version-2 li:has(del):has(ins)").count() == 3
        await guest.be("reviewer4")
        await guest.go(f"/staff/applications/{await application_of(database, 'halfway')}")
        await guest.says("示例·沈苇")
        assert await faults(guest, axe=False) == []


@pytest.mark.parametrize("keys", list(chunked(SUBMITTED, 4)), ids="-".join)
async def test_applications_at_the_desk(open_window: Window, database: Database, keys: Sequence[str]) -> None:
    """As somebody who may decide next, with the documents' frame as a page of its own, one for all."""
    async with open_window() as guest:
        for key in keys:
            await guest.be(DECIDES.get(key, "reviewer4"))
            at = f"/staff/applications/{await application_of(database, key)}"
            await both_languages(guest, [at])
            frame = guest.page.locator("iframe.viewer").first
            await guest.go(str(await frame.get_attribute("src")))
            assert [*await faults(guest, axe=key == keys[-1]), *guest.complaints] == [], key


async def test_what_is_wrong_with_a_decision_is_told_where_it_is(
    open_window: Window, database: Database
) -> None:
    async with open_window() as guest:
        page = guest.page
        await guest.be("moderator")
        await guest.go(f"/staff/applications/{await application_of(database, 'probation')}")
        assert await faults(guest) == []
        await guest.be("reviewer3")
        await guest.go(f"/staff/applications/{await application_of(database, 'waiting')}")
        await page.check("input[name=decision][value=approve]")
        await guest.press("page.staff.decide")
        await expect(page.get_by_role("alert").first).to_be_visible()
        await expect(page.locator(".error").first).to_be_visible()
        await expect(page.locator("input[name=decision][value=approve]")).to_be_checked()
        assert await faults(guest) == []
        guest.complaints.clear()


async def test_problem_pages_of_those_who_may_not(open_window: Window) -> None:
    async with open_window() as guest:
        await guest.be("member17")
        assert await look_over(guest, "/staff", 403) == []
