"""Pictures of the main pages for the documentation: `make screenshots` writes docs/screenshots/.

A Kameng with the demo community is started for it and stopped again; nothing else is touched.
"""

import asyncio
import logging
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import structlog
from PIL import Image
from playwright.async_api import Browser, async_playwright

from db.database import Database
from engine.seed_campaigns import PAST, PLANNED, RUNNING
from tests.browser.campaign_states import campaign_of, share_of
from tests.browser.guests import Guest, window
from tests.browser.kameng import RunningKameng
from tests.browser.seeded import application_of, ballot_of
from tests.support import chromium
from tests.support.temporal import SharedTemporal

PLACE: Final = Path(__file__).parents[2] / "docs" / "screenshots"
MAX_BYTES: Final = 150_000
_COLOURS: Final = (256, 128, 64)
_SIZES: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1200, "height": 860}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: whose page, at which address, how it is looked at, and what is scrolled to."""

    name: str
    person: str
    path: str
    locale: str = "zh-CN"
    size: str = "desktop"
    scheme: str = "light"
    to: str = ""

    @property
    def file(self) -> str:
        return f"{self.name}-{self.locale.partition('-')[0]}-{self.size}-{self.scheme}.png"


async def shots(db: Database) -> list[Shot]:
    """Return all pictures to take."""

    async def status(key: str) -> str:
        return f"/applications/{await application_of(db, key)}"

    async def ballot(key: str) -> str:
        return f"/ballots/{await ballot_of(db, key)}"

    planned, running, past = [await campaign_of(db, told) for told in (PLANNED, RUNNING, PAST)]
    share, _ = await share_of(db, running)
    waiting, changing, judged = [await status(key) for key in ("waiting", "changing", "judged")]
    return [
        Shot("front", "", "/"),
        Shot("front", "", "/", "en", "phone", "dark"),
        Shot("wizard", "changing", f"{changing}/edit/documents"),
        Shot("status", "probation", await status("probation"), "en"),
        Shot("status", "changing", changing, "zh-CN", "phone"),
        Shot("ballot", "member17", await ballot("candidate")),
        Shot("ballot", "member21", await ballot("candidate"), "en", "phone"),
        Shot("result", "member17", await ballot("leader1"), "zh-CN", "desktop", "dark"),
        Shot("queue", "reviewer2", "/staff", "en"),
        Shot("review", "reviewer3", f"/staff{waiting}", to="#decision"),
        Shot(
            "probation", "reviewer3", f"/staff{judged}", "zh-CN", "desktop", "dark", "section:has(svg.chart)"
        ),
        Shot("policy", "admin", "/staff/policy", "en", "phone"),
        Shot("editor", "leader1", f"/studio/campaigns/{planned}", to="fieldset.card >> nth=3"),
        Shot("dashboard", "leader1", f"/studio/campaigns/{running}", "zh-CN", "desktop", "dark"),
        Shot("today", "member04", f"/campaigns/{running}/me", "zh-CN", "phone"),
        Shot("today", "member19", f"/campaigns/{running}/me", "en", "phone", "dark"),
        Shot("report", "leader2", f"/studio/campaigns/{past}/report", "en", to="#participation"),
        Shot("share", "", f"/s/{share}", "zh-CN", "phone"),
    ]


async def take(browser: Browser, base: str, shot: Shot) -> bytes:
    """Return one picture as PNG, small enough for a repository."""
    options: dict[str, Any] = _SIZES[shot.size] | {"color_scheme": shot.scheme}
    async with window(browser, base, shot.locale, **options) as guest:
        if shot.person:
            await guest.be(shot.person)
            await guest.read_in(shot.locale)
        await guest.go(shot.path)
        await _settle(guest, shot)
        return compressed(await guest.page.screenshot())


async def _settle(guest: Guest, shot: Shot) -> None:
    page = guest.page
    # The bar for trying out is not part of Kameng as people will see it.
    await page.locator(".dev-bar").evaluate("(bar) => bar.remove()")
    if shot.to:
        await page.locator(shot.to).evaluate("(part) => part.scrollIntoView({block: 'start'})")
        await page.evaluate("() => scrollBy(0, -24)")
    await page.evaluate("() => Promise.all([...document.images].map((one) => one.decode().catch(() => {})))")


def compressed(png: bytes) -> bytes:
    """Return a picture with as many colours as fit into the size. Raises ValueError if none do."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    for colours in _COLOURS:
        target = BytesIO()
        flat = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        flat.save(target, "PNG", optimize=True)
        if target.tell() <= MAX_BYTES:
            return target.getvalue()
    raise ValueError(f"a picture of {picture.size} does not fit into {MAX_BYTES} bytes")


async def _all(kameng: RunningKameng, program: str) -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as play, Database.connect(kameng.settings.database_url) as db:
        browser = await play.chromium.launch(executable_path=program, args=list(chromium.FLAGS))
        for shot in await shots(db):
            picture = await take(browser, kameng.settings.public_url, shot)
            (PLACE / shot.file).write_bytes(picture)
            print(f"docs/screenshots/{shot.file}  {len(picture) // 1000} kB")
        await browser.close()


def main() -> int:
    """Take all pictures; return the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        program = chromium.locate()
    except chromium.ChromiumMissing as error:
        print(error, file=sys.stderr)
        return 2
    if not chromium.has_chinese_font():
        chromium.install("fonts-noto-cjk")
    if not chromium.has_chinese_font():
        print("no Chinese font here (Debian: apt-get install fonts-noto-cjk)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kameng-screenshots-") as directory:
        place = Path(directory)
        temporal = SharedTemporal.start(place)
        try:
            kameng = RunningKameng.start(place / "data", temporal.server.address)
            try:
                asyncio.run(_all(kameng, program))
            finally:
                kameng.stop()
        finally:
            temporal.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
