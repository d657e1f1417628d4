"""The wizard with scripts: nothing typed is lost or overwritten unseen; files with progress and preview."""

import pytest
from playwright.async_api import expect

from tests.browser import noise
from tests.browser.cases import Case
from tests.browser.conftest import NewCase, Window
from tests.browser.guests import Guest
from tests.browser.looks import faults
from tests.support.vetting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW_UPLOAD = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}


async def test_what_was_typed_is_there_again(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case()).draft()
    step = f"{case.path}/edit/statement"
    async with open_window() as guest:
        await guest.be(case.key)
        await guest.go(step)
        field = guest.page.locator("#statement")
        await field.fill("一" * 60)
        await expect(guest.page.locator("[data-autosave-state]")).to_contain_text(
            guest.t("page.wizard.saved")
        )
        await field.fill("二" * 61)
        # Away at once, before the next save; that one arrives while the next page is already shown.
        await guest.go("/")
        await until(lambda: _stands(case, "二" * 61))
        await guest.go(step)
        await expect(field).to_have_value("二" * 61)
        await guest.press("page.wizard.next")
        await guest.says(guest.t("page.done.saved"))


async def _stands(case: Case, statement: str) -> bool:
    return bool((await case.read())["statement"] == statement)


async def test_two_tabs_never_overwrite_each_other_unseen(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case("en")).draft()
    step = f"{case.path}/edit/statement"
    async with open_window("en") as guest:
        await guest.be(case.key)
        await guest.go(step)
        second = Guest(await guest.page.context.new_page(), guest.base, guest.locale)
        await second.go(step)
        await guest.page.fill("#statement", "first " * 12)
        await guest.press("page.save")
        await second.page.locator("#statement").press_sequentially("second ")
        await expect(second.page.locator("[data-autosave-state]")).to_contain_text(
            second.t("page.wizard.unsaved")
        )
        await second.page.fill("#statement", "second " * 12)
        await second.press("page.save")
        await expect(second.page.get_by_role("alert")).to_contain_text(second.t("page.edit_conflict"))
        assert (await case.read())["statement"].strip() == ("first " * 12).strip()
        # Their own words still stand in the form; saving now is a choice.
        await expect(second.page.locator("#statement")).to_have_value("second " * 12)
        await second.press("page.save")
        await second.says(second.t("page.done.saved"))
        assert (await case.read())["statement"].strip() == ("second " * 12).strip()


async def test_an_upload_shows_what_was_chosen_and_how_far_it_is(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).draft()
    async with open_window() as guest:
        page = guest.page
        await guest.be(case.key)
        await guest.go(f"{case.path}/edit/documents")
        await page.select_option("#kind", "sample")
        await page.set_input_files(
            "#file", {"name": "夜空.png", "mimeType": "image/png", "buffer": noise.png()}
        )
        await expect(page.locator("[data-upload-preview] img")).to_be_visible()
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", SLOW_UPLOAD)
        bar = page.locator("[data-upload-progress]")
        seen = "() => { const v = document.querySelector('progress')?.value; return v > 0 && v < 1; }"
        async with page.expect_navigation():
            await page.get_by_role("button", name=guest.t("page.wizard.upload"), exact=True).click()
            await expect(bar).to_be_visible()
            await page.wait_for_function(seen)
        await devtools.send("Network.emulateNetworkConditions", SLOW_UPLOAD | {"uploadThroughput": -1})
        await expect(page.get_by_role("link", name="夜空.png")).to_be_visible()
        await guest.says(guest.word("document_kind", "sample"))
        shown = page.locator("img.thumb").first
        await shown.scroll_into_view_if_needed()
        await page.wait_for_function("() => document.querySelector('img.thumb').naturalWidth > 0")


async def test_the_pages_of_a_pdf_are_shown_to_who_handed_it_in(
    open_window: Window, new_case: NewCase
) -> None:
    case = await (await new_case()).draft()
    async with open_window() as guest:
        page = guest.page
        await guest.be(case.key)
        await guest.go(f"{case.path}/edit/documents")
        await page.locator("summary", has_text=guest.t("page.wizard.preview")).first.click()
        frame = page.locator("iframe.viewer").first
        assert await frame.get_attribute("sandbox") == "allow-same-origin"
        await expect(frame.content_frame.locator("img").first).to_be_visible()
        assert [*await faults(guest), *guest.complaints] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
async def test_a_wrong_file_is_told_in_the_page(
    open_window: Window, new_case: NewCase, scripts: bool
) -> None:
    case = await (await new_case()).draft()
    async with open_window(java_script_enabled=scripts) as guest:
        page = guest.page
        await guest.be(case.key)
        await guest.go(f"{case.path}/edit/documents")
        await page.set_input_files(
            "#file", {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": b"not a document at all"}
        )
        await page.get_by_role("button", name=guest.t("page.wizard.upload"), exact=True).click()
        told = page.locator("[role=alert]:visible")
        await expect(told).to_contain_text(guest.t("problem.document_type_unknown.detail"))
        if scripts:
            await expect(page.locator("#file")).not_to_have_value("")
        assert len((await case.read())["documents"]) == 2
        guest.expected_refusals()
