"""A certificate on a phone: its code, by which it is looked up, stays in one piece."""

import pytest

from db.database import Database
from engine.seed_campaigns import PAST
from tests.browser.campaign_states import campaign_of, certified_of
from tests.browser.conftest import Window
from tests.browser.guests import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# How many lines a text takes that is found in the element, be it there several times.
_LINES = """(place, text) => {
  const found = [], walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.data.indexOf(text);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(walker.currentNode, at);
    range.setEnd(walker.currentNode, at + text.length);
    found.push(new Set([...range.getClientRects()].map((line) => line.top)).size);
  }
  return found;
}"""


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_the_code_stays_in_one_piece(open_window: Window, database: Database, locale: str) -> None:
    _, code = await certified_of(database, await campaign_of(database, PAST))
    async with open_window(locale, viewport=PHONE) as guest:
        await guest.go(f"/certificates/{code}")
        proof = guest.page.locator(".certificate-proof")
        # Once by itself, and once in the address that leads here.
        assert await proof.evaluate(_LINES, code) == [1, 1]
        assert await guest.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
