"""A status page that stands open: it changes by itself, and tells those who cannot see it."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewCase, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_change_made_elsewhere_appears_and_is_announced(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).submit()
    async with open_window() as applicant:
        page = applicant.page
        await applicant.be(case.key)
        await applicant.go(case.path)
        told = page.locator("[aria-live=polite]")
        await expect(told).to_have_text("")
        await page.evaluate("() => { window.still = true; }")
        note = "请补一张能看清日期的证书。"
        await case.review("request_changes", "reviewer1", reasons=["unreadable_document"], note=note)
        await applicant.says(note)
        await applicant.says(applicant.word("stage", "changes_requested"))
        await expect(told).to_have_text(applicant.t("page.application.changed"))
        assert await page.evaluate("() => window.still")


async def test_what_somebody_is_writing_is_left_alone(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case()).submit()
    await case.review("reject", "reviewer1", "reviewer3", reasons=["content_sample_weak"], note="太少。")
    async with open_window() as applicant:
        page = applicant.page
        await applicant.be(case.key)
        await applicant.go(case.path)
        await page.locator("summary", has_text=applicant.t("page.appeal.open")).click()
        await page.fill("#reason", "我还没写完")
        await case.to_deadline()
        await expect(page.locator("[aria-live=polite]")).to_have_text(applicant.t("page.application.changed"))
        await expect(page.locator("#reason")).to_have_value("我还没写完")
