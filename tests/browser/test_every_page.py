"""Every page in every state, in both languages: accessible, light and dark, narrow enough, guarded."""

from collections.abc import Sequence

import pytest
from playwright.async_api import expect

from db.database import Database
from domain.vetting.desk import Queue
from tests.browser.conftest import NewCase, Window
from tests.browser.guests import Guest
from tests.browser.looks import faults, look_over
from tests.browser.seeded import application_of, ballot_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY = "00000000-0000-7000-8000-000000000000"
STEPS = ("profile", "statement", "credentials", "documents", "check")


async def both_languages(guest: Guest, paths: Sequence[str]) -> None:
    """Look every page over in the language that the person came with, and more quickly in the other."""
    other = {"zh-CN": "en", "en": "zh-CN"}[guest.locale]
    found = [line for path in paths for line in await look_over(guest, path)]
    await guest.read_in(other)
    found += [line for path in paths for line in await look_over(guest, path, axe=False)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_pages_of_strangers(open_window: Window, database: Database, locale: str) -> None:
    ballot = await ballot_of(database, "candidate")
    async with open_window(locale) as guest:
        found = []
        for path in ("/", "/leaders", "/ballots", "/sign-in", "/dev", "/outbox", "/sign-in?token=abc"):
            # The long lists look alike in both languages.
            listed = path in ("/dev", "/outbox")
            found += await look_over(guest, path, axe=locale == "zh-CN" or not listed)
        for path in ("/nowhere", f"/outbox/{NOBODY}"):
            found += await look_over(guest, path, 404, axe=path == "/nowhere")
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
            "/account/second-factor",
            *(f"{at}/edit/{step}" for step in STEPS),
        ]
        await both_languages(guest, paths)


async def test_pages_while_changes_are_requested(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        await guest.be("changing")
        at = f"/applications/{await application_of(database, 'changing')}"
        await both_languages(guest, [at, *(f"{at}/edit/{step}" for step in STEPS)])


@pytest.mark.parametrize(
    "key", ["waiting", "candidate", "probation", "judged", "leader1", "appealing", "creator"]
)
async def test_status_pages(open_window: Window, database: Database, key: str) -> None:
    async with open_window() as guest:
        await guest.be(key)
        at = f"/applications/{await application_of(database, key)}"
        await both_languages(guest, [at])


async def test_pages_of_voters(open_window: Window, database: Database) -> None:
    running, passed = await ballot_of(database, "candidate"), await ballot_of(database, "leader1")
    async with open_window() as guest:
        await guest.be("member17")
        paths = ["/", "/ballots", f"/ballots/{running}", f"/ballots/{passed}", f"/ballots/{passed}/receipts"]
        await both_languages(guest, paths)
        found = []
        for path in (f"/ballots/{NOBODY}", f"/applications/{await application_of(database, 'waiting')}"):
            found += await look_over(guest, path, 404, axe=False)
        assert not found, "\n".join(found)


async def test_pages_of_applications_that_ended_early(open_window: Window, new_case: NewCase) -> None:
    """Withdrawn, expired, rejected with the appeal running, and no quorum after an extension."""
    withdrawn, expired, rejected, unheard = [await (await new_case()).submit() for _ in range(4)]
    await (await withdrawn.visitor()).post(f"{withdrawn.path}/withdraw")
    await expired.review("request_changes", "reviewer1", reasons=["unreadable_document"], note="请重拍。")
    await expired.to_deadline()
    reasons = ["content_sample_weak", "incomplete"]
    await rejected.review("reject", "reviewer1", "reviewer3", reasons=reasons, note="欢迎一季以后再来。")
    await unheard.review("approve", "reviewer1", "reviewer3")
    ballot = f"/ballots/{(await unheard.read())['ballot_id']}"
    await unheard.to_deadline()
    for case in (withdrawn, expired, rejected):
        async with open_window() as guest:
            await guest.be(case.key)
            await both_languages(guest, [case.path])
    async with open_window() as guest:
        await guest.be(unheard.key)
        await both_languages(guest, [ballot, unheard.path])
        await unheard.to_deadline()
        await guest.read_in("zh-CN")
        await both_languages(guest, [ballot, unheard.path])
        await guest.go(unheard.path)
        await guest.says(guest.word("reason", "no_quorum"))


STAFF_STATES = ("waiting", "changing", "candidate", "probation", "judged", "appealing", "creator", "leader1")


async def test_the_desk(open_window: Window) -> None:
    async with open_window() as guest:
        await guest.be("lead")
        queues = [f"/staff?kind={queue.value}" for queue in Queue]
        await both_languages(
            guest, ["/staff", "/staff?show=mine&q=nobody-at-all", "/staff/policy", queues[0]]
        )
        found = [line for path in queues[1:] for line in await look_over(guest, path, axe=False)]
        assert not found, "\n".join(found)


@pytest.mark.parametrize(("person", "keys"), [("reviewer3", STAFF_STATES[:4]), ("admin", STAFF_STATES[4:])])
async def test_applications_at_the_desk(
    open_window: Window, database: Database, person: str, keys: Sequence[str]
) -> None:
    async with open_window() as guest:
        await guest.be(person)
        paths = [f"/staff/applications/{await application_of(database, key)}" for key in keys]
        await both_languages(guest, paths)


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
