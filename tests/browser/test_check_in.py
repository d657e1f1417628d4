"""Checking in with a picture: it goes up as soon as it is chosen, and takes nothing typed along."""

import pytest
from playwright.async_api import expect

from tests.browser import noise
from tests.browser.conftest import NewStates, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOTE = "读了二十页，很喜欢。"


async def test_a_picture_goes_up_when_it_is_chosen(open_window: Window, new_states: NewStates) -> None:
    states = await (await new_states()).with_days()
    async with open_window() as guest:
        page = guest.page
        await guest.be(states.member.key)
        await guest.go(f"/campaigns/{states.ids['proofs']}/me")
        await guest.press("page.own.check_in")
        await expect(page.locator("#note-error")).to_have_text(guest.t("field.no_proof"))
        await page.locator("#note").fill(NOTE)
        async with page.expect_navigation():
            await page.set_input_files(
                "#file", {"name": "早餐.png", "mimeType": "image/png", "buffer": noise.png()}
            )
        await guest.says(guest.t("page.done.picture_added"))
        await expect(page.locator("#note")).to_have_value(NOTE)
        await guest.press("page.own.check_in")
        await guest.says(guest.t("page.done.checked_in"))
        await page.wait_for_function("() => document.querySelector('img.picture, main img').naturalWidth > 0")
        await guest.go(f"/campaigns/{states.ids['proofs']}/me")
        assert await page.evaluate("() => sessionStorage.length") == 0
        guest.expected_refusals()


async def test_a_picture_that_is_none_is_refused_beside_the_form(
    open_window: Window, new_states: NewStates
) -> None:
    states = await (await new_states()).with_days()
    async with open_window("en") as guest:
        page = guest.page
        await guest.be(states.member.key)
        await guest.go(f"/campaigns/{states.ids['proofs']}/me")
        await page.locator("#note").fill(NOTE)
        lie = b"GIF89a <script>alert(1)</script>"
        await page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": lie})
        await expect(page.locator("[data-upload-error]")).to_be_visible()
        await expect(page.locator("#note")).to_have_value(NOTE)
        guest.expected_refusals()


async def test_a_choice_is_as_easy_to_hit_beside_a_hint_as_elsewhere(
    open_window: Window, new_states: NewStates
) -> None:
    states = await (await new_states()).with_days()
    async with open_window(viewport={"width": 390, "height": 844}) as guest:
        await guest.be(states.member.key)
        await guest.go(f"/campaigns/{states.ids['proofs']}/me")
        choice = guest.page.locator("label.choice", has=guest.page.locator("[name=private]"))
        box, row = await choice.locator("input").bounding_box(), await choice.bounding_box()
        assert box is not None
        assert row is not None
        assert row["height"] >= 44
        text = await choice.locator("span").bounding_box()
        assert text is not None
        assert abs(box["y"] + box["height"] / 2 - text["y"] - text["height"] / 2) < 3
