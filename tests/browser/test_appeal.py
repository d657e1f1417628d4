"""An appeal is sent once: the button says so first, and only a second one sends it."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewCase, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("locale", "scripts"), [("zh-CN", True), ("en", False)], ids=["zh", "no-scripts-en"])
async def test_an_appeal_is_sent_after_what_follows_was_said(
    open_window: Window, new_case: NewCase, locale: str, scripts: bool
) -> None:
    case = await (await new_case(locale)).submit()
    await case.review("reject", "reviewer1", "reviewer3", reasons=["content_sample_weak"], note="太少。")
    async with open_window(locale, java_script_enabled=scripts) as applicant:
        page = applicant.page
        await applicant.be(case.key)
        await applicant.go(case.path)
        await page.locator("summary", has_text=applicant.t("page.appeal.open")).click()
        await page.fill("#reason", "整本手记在第二份材料里。")
        confirm = page.get_by_role("button", name=applicant.t("page.appeal.confirm"))
        await expect(confirm).to_be_hidden()
        await page.locator("summary", has_text=applicant.t("page.appeal.send")).click()
        await expect(page.get_by_text(applicant.t("page.appeal.final"))).to_be_visible()
        assert (await case.read())["stage"] == "appeal_window"
        await applicant.press("page.appeal.confirm")
        await applicant.says(applicant.t("page.done.appealed"))
        assert (await case.read())["stage"] == "appeal_review"
