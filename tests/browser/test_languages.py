"""Languages and clocks: what the browser prefers, what was chosen, times in the reader's zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date, format_time
from playwright.async_api import expect

from tests.browser.conftest import NewCase, Window
from tests.browser.guests import Guest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("preferred", "shown"), [("zh-CN", "zh-CN"), ("en-GB", "en"), ("fr-FR", "zh-CN")])
async def test_the_browser_is_asked_first(open_window: Window, preferred: str, shown: str) -> None:
    async with open_window(preferred) as guest:
        await guest.go("/")
        assert await guest.language() == shown


async def test_a_choice_holds_from_page_to_page_and_leads_back(open_window: Window) -> None:
    async with open_window() as guest:
        await guest.go("/leaders")
        await guest.read_in("en")
        assert guest.page.url == f"{guest.base}/leaders"
        for path in ("/", "/sign-in", "/nowhere"):
            await guest.go(path)
            assert await guest.language() == "en"
        guest.complaints.clear()
        # The account's own language counts once somebody is signed in.
        await guest.be("member01")
        assert await guest.language() == "zh-CN"


async def test_times_are_those_of_the_readers_zone(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case("en", "America/St_Johns")).submit()
    async with open_window("en", timezone_id="Europe/Madrid") as guest:
        await guest.be(case.key)
        await guest.go(case.path)
        assert await _as_written(guest, "America/St_Johns") >= 2
        await guest.read_in("zh-CN")
        assert await _as_written(guest, "America/St_Johns") >= 2


async def test_strangers_read_in_the_time_zone_of_their_browser(open_window: Window) -> None:
    async with open_window("en", timezone_id="America/St_Johns") as guest:
        foot = guest.page.locator("footer")
        await guest.go("/")
        await expect(foot).to_contain_text("Asia/Shanghai")
        await guest.go("/ballots")
        await expect(foot).to_contain_text("America/St_Johns")
        assert await _as_written(guest, "America/St_Johns") >= 1


async def _as_written(guest: Guest, zone: str) -> int:
    """Assert that every instant is written in ``zone`` and in the page's language; return how many."""
    times = await guest.page.locator("main time").all()
    for time in times:
        at = datetime.fromisoformat(str(await time.get_attribute("datetime")))
        local, language = at.astimezone(ZoneInfo(zone)), guest.locale.replace("-", "_")
        shown = (await time.inner_text()).replace("\u202f", " ")
        assert format_date(local, "medium", locale=language) in shown
        assert format_time(local, "short", locale=language).replace("\u202f", " ") in shown
    return len(times)
