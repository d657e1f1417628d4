"""A status page that stands open: it changes by itself, and tells those who cannot see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.cases import Case
from tests.browser.conftest import NewCase, NewStates, Window
from tests.browser.guests import Guest
from tests.support.vetting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def _own_page(open_window: Window, case: Case) -> AsyncIterator[Guest]:
    """Yield the applicant, with the application's page open."""
    async with open_window() as applicant:
        await applicant.be(case.key)
        await applicant.go(case.path)
        yield applicant


async def test_a_change_made_elsewhere_appears_and_is_announced(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with _own_page(open_window, case) as applicant:
        page = applicant.page
        told = page.locator("[aria-live=polite]")
        await expect(told).to_have_text("")
        await page.evaluate("() => { window.still = true; }")
        note = "请补一张能看清日期的证书。"
        await case.review("request_changes", "reviewer1", reasons=["unreadable_document"], note=note)
        await applicant.says(note)
        await applicant.says(applicant.word("stage", "changes_requested"))
        await expect(told).to_have_text(applicant.t("page.application.changed"))
        assert await page.evaluate("() => window.still")


async def test_what_happened_while_the_stream_was_broken_appears_once_it_is_there_again(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with open_window() as applicant:
        page = applicant.page
        broken, again = asyncio.Event(), asyncio.Event()

        async def answer(route: Route) -> None:
            """The first stream ends at once; the second comes later, and tells nothing."""
            pause = 60_000 if broken.is_set() else 50
            if broken.is_set():
                await again.wait()
            broken.set()
            body = f": here\nretry: {pause}\n\n"
            await route.fulfill(status=200, content_type="text/event-stream", body=body)

        await page.route(f"**{case.path}/events", answer)
        await applicant.be(case.key)
        await applicant.go(case.path)
        await broken.wait()
        note = "请补一张能看清日期的证书。"
        await case.review("request_changes", "reviewer1", reasons=["unreadable_document"], note=note)
        again.set()
        await applicant.says(note)
        told = page.locator("[aria-live=polite]")
        await expect(told).to_have_text(applicant.t("page.application.changed"))


async def test_a_stream_that_was_answered_with_an_error_is_asked_for_again(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with open_window() as applicant:
        page = applicant.page
        refused = asyncio.Event()

        async def refuse(route: Route) -> None:
            """Answer as a proxy whose server is being started anew."""
            await route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")
            refused.set()

        await page.route(f"**{case.path}/events", refuse, times=1)
        await applicant.be(case.key)
        await applicant.go(case.path)
        await refused.wait()
        note = "请补一张能看清日期的证书。"
        await case.review("request_changes", "reviewer1", reasons=["unreadable_document"], note=note)
        await applicant.says(note)
        # The browser writes down that it was refused once.
        applicant.complaints.clear()


async def test_what_somebody_is_writing_is_left_alone(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case()).submit()
    await case.review("reject", "reviewer1", "reviewer3", reasons=["content_sample_weak"], note="太少。")
    async with _own_page(open_window, case) as applicant:
        page = applicant.page
        await page.locator("summary", has_text=applicant.t("page.appeal.open")).click()
        await page.fill("#reason", "我还没写完")
        await case.to_deadline()
        await expect(page.locator("[aria-live=polite]")).to_have_text(applicant.t("page.application.changed"))
        await expect(page.locator("#reason")).to_have_value("我还没写完")


async def test_a_renewal_that_takes_long_is_seen_and_one_that_fails_is_made_again(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with _own_page(open_window, case) as applicant:
        page = applicant.page
        seen = asyncio.Event()

        async def fail(route: Route) -> None:
            await seen.wait()
            await route.abort()

        await page.route(f"**{case.path}", fail, times=1)
        await case.review("request_changes", "reviewer1", reasons=["unreadable_document"], note="看不清。")
        await expect(page.locator("#live")).to_have_attribute("aria-busy", "true")
        await until(partial(_bar_is_seen, page))
        await expect(page.locator("#stale")).to_be_hidden()
        seen.set()
        await expect(page.locator("#stale")).to_be_visible()
        await applicant.says("看不清。")
        await expect(page.locator("#stale")).to_be_hidden()
        await expect(page.locator("#live[aria-busy]")).to_have_count(0)
        # The browser writes down that the first answer never came.
        applicant.complaints.clear()


async def _bar_is_seen(page: Page) -> bool:
    return bool(await page.evaluate("() => getComputedStyle(document.body, '::before').opacity === '1'"))


async def test_a_frame_says_that_its_pages_load_until_they_are_there(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with open_window() as reviewer:
        page = reviewer.page
        seen = asyncio.Event()

        async def hold(route: Route) -> None:
            await seen.wait()
            await route.continue_()

        await page.route("**/pages", hold)
        await reviewer.be("reviewer3")
        await page.goto(f"{reviewer.base}/staff{case.path}", wait_until="domcontentloaded")
        frame = page.locator("iframe.viewer").first
        await frame.scroll_into_view_if_needed()
        await expect(page.locator(".waiting").first).to_have_text(reviewer.t("page.loading"))
        await expect(page.locator(".waiting").first).to_have_css("opacity", "1")
        seen.set()
        await expect(frame.content_frame.get_by_role("img").first).to_be_visible()
        assert await frame.evaluate(
            "(frame) => { const box = frame.getBoundingClientRect();"
            " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === frame; }"
        )


async def test_a_board_and_the_friends_who_joined_are_renewed_too(
    open_window: Window, new_case: NewCase, new_states: NewStates
) -> None:
    states = await (await new_states()).with_days()
    path = f"/campaigns/{states.ids['proofs']}"
    member = await states.member.visitor()
    code = (await member.post(f"{path}/invitations"))["code"]

    async def join() -> None:
        await (await (await new_case()).visitor()).post(f"{path}/enrolments", {"invite_code": code})

    async with open_window() as guest:
        page = guest.page
        await guest.be(states.member.key)
        # What changes from here on is told: the stream answers once it has looked for the first time.
        async with page.expect_response("**/events"):
            await guest.go(f"{path}/leaderboard")
        days = page.locator("tr.mine td").last
        await expect(days).to_have_text(guest.t("page.board.value.days", count=1, number=1))
        await member.post(f"{path}/checkins", {"note": "读了二十页，很喜欢这一章。"})
        await join()
        await expect(days).to_have_text(guest.t("page.board.value.days", count=2, number=2))
        await expect(page.locator("#announcement")).to_have_text(guest.t("page.campaign.numbers_changed"))
        async with page.expect_response("**/events"):
            await guest.go(f"{path}/invitations")
        await expect(page.locator("#joined li")).to_have_count(1)
        await join()
        await expect(page.locator("#joined li")).to_have_count(2)
