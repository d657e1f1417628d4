"""The page that refuses mail: it looks like the others, and works without a session and without scripts."""

import pytest
from playwright.async_api import expect

from domain.people import address_hash
from mail.unsubscribe import UnsubscribeTokens
from settings import Settings
from tests.browser.conftest import Window
from tests.browser.guests import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("locale", "scripts"), [("zh-CN", True), ("en", False)])
async def test_invitations_are_refused_in_the_look_of_the_other_pages(
    open_window: Window, locale: str, scripts: bool
) -> None:
    tokens = UnsubscribeTokens(Settings().secret_key.get_secret_value())
    path = tokens.mailbox_url("", address_hash(f"{locale}@refusing.example"))
    async with open_window(locale, java_script_enabled=scripts, viewport=PHONE) as guest:
        page = guest.page
        await guest.go("/sign-in")
        look = "getComputedStyle(document.querySelector('main'))"
        family = "" if not scripts else await page.evaluate(f"() => {look}.fontFamily")
        await guest.go(path)
        await guest.says(guest.t("mail.uninvite.question"))
        if scripts:
            assert await page.evaluate(f"() => {look}.fontFamily") == family
            assert await page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        await guest.press("mail.uninvite.button")
        await expect(page.locator(".notice.good")).to_have_text(guest.t("mail.uninvite.done"))
