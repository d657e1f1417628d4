"""People in front of a real browser: a window with cookies of its own, and what went wrong in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Response, expect

from engine.seed_people import HOST
from locales import translate, word

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 60_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Guest:
    """Somebody with a browser window. ``complaints`` is what the browser found wrong."""

    page: Page
    base: str
    locale: str
    complaints: list[str] = field(default_factory=list)

    def t(self, msgid: str, **values: Any) -> str:
        """Return a message of the catalogue in this person's language."""
        return translate(self.locale, msgid, **values)

    def word(self, family: str, code: str) -> str:
        """Return a code in this person's words."""
        return word(self.locale, family, code)

    async def go(self, path: str) -> Response:
        """Open a page of Kameng."""
        response = await self.page.goto(self.base + path, wait_until="load")
        assert response is not None, path
        return response

    async def press(self, msgid: str, **values: Any) -> None:
        """Press the button or follow the link named ``msgid``, and wait for the page that follows."""
        text = self.t(msgid, **values)
        named = self.page.locator("main").get_by_role("button", name=text, exact=True)
        linked = self.page.locator("main").get_by_role("link", name=text, exact=True)
        await self.follow(named.or_(linked).first)

    async def follow(self, target: Locator) -> None:
        """Click ``target`` and wait for the page that follows."""
        async with self.page.expect_navigation(wait_until="load"):
            await target.click()

    async def be(self, key: str) -> None:
        """Sign in as one of the demo community, by one click on its panel."""
        await self.go("/dev")
        button = self.page.locator(f"button[value='{key}@{HOST}']")
        if await button.count():
            await self.follow(button)
        else:
            # The panel has room for some only.
            answer = await self.page.request.post(
                f"{self.base}/api/v1/dev/sessions", data={"email": f"{key}@{HOST}"}
            )
            assert answer.ok, await answer.text()
            await self.go("/")
        self.locale = await self.language()

    async def language(self) -> str:
        """Return the language that the page says it is written in."""
        return str(await self.page.locator("html").get_attribute("lang"))

    async def read_in(self, locale: str) -> None:
        """Choose a language by the switch at the top."""
        if await self.language() != locale:
            await self.follow(self.page.locator(f"form[action='/language'] button[value='{locale}']"))
        self.locale = locale

    async def says(self, text: str) -> None:
        """Wait until ``text`` is on the page."""
        await expect(self.page.locator("main")).to_contain_text(text)

    def expected_refusals(self) -> None:
        """Drop what the browser says of answers such as 422, which a test asked for."""
        self.complaints = [line for line in self.complaints if "Failed to load resource" not in line]

    async def sign_up(self, address: str) -> None:
        """Come in for the first time: ask for a link, open it from the outbox, press its button."""
        await self.go("/sign-in")
        await self.page.fill("#email", address)
        await self.press("page.sign_in.send")
        await self.says(address)
        await self.press("page.dev.outbox")
        mail = self.page.locator("details.card").first
        await mail.locator("summary").click()
        await self.follow(mail.locator("a.button").first)
        await self.press("page.sign_in.continue")


def _note(guest: Guest, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        guest.complaints.append(f"{message.type}: {message.text} ({guest.page.url})")


@asynccontextmanager
async def window(browser: Browser, base: str, locale: str = "zh-CN", **options: Any) -> AsyncIterator[Guest]:
    """Yield a fresh window of somebody whose browser prefers ``locale``; console errors fail at its end."""
    settings: dict[str, Any] = {
        "locale": locale,
        "timezone_id": "Asia/Shanghai",
        "viewport": DESKTOP,
        "color_scheme": "light",
        "reduced_motion": "reduce",
    }
    context = await browser.new_context(**(settings | options))
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = await context.new_page()
        guest = Guest(page, base, locale)
        page.on("console", lambda message: _note(guest, message))
        page.on("pageerror", lambda error: guest.complaints.append(f"exception: {error}"))
        yield guest
        assert guest.complaints == []
    finally:
        await context.close()
