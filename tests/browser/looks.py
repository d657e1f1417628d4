"""What every page must be, whatever it shows: accessible, narrow enough, in one language, light, guarded."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page, Response

from tests.browser.guests import DESKTOP, PHONE, Guest

MAX_BYTES: Final = 100_000
"""Of a page with its styles and scripts, without pictures; not compressed."""

_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_CONTRAST: Final = "color-contrast"
_IDS: Final = re.compile(
    r"\b(?:page|problem|field|status|stage|role|reason|word|done|entry|actor|missing|target|flag)\.[a-z_]+\b"
)
_CODES: Final = re.compile(r"(?<![\w@./:-])[a-z]+(?:_[a-z]+)+(?![\w@/-])")
_LEFTOVERS: Final = re.compile(r"\b(?:None|Undefined|NaN|undefined)\b|\{[a-z_]+\}|\{\{|%\(")
_VISIBLE: Final = """() => {
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("pre, script, .receipt, [data-own-words]").forEach((part) => part.remove());
  return copy.innerText + " " + document.title + " " +
    [...document.querySelectorAll("[aria-label],[alt],[placeholder],[title]")]
      .map((e) => ["aria-label", "alt", "placeholder", "title"].map((a) => e.getAttribute(a) ?? "").join(" "))
      .join(" ");
}"""
_WEIGHT: Final = """() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource")
      .filter((entry) => !/\\.(png|jpe?g|webp|svg)|documents\\//.test(entry.name))]
  .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""
_WIDER: Final = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > room + 1 && !e.closest(".scrolls, .plot"))
    .map((e) => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`).slice(0, 5)
    .concat(`page ${document.documentElement.scrollWidth} > ${room}`);
}"""


@lru_cache(maxsize=1)
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


async def violations(page: Page, *, colours: bool = True, rest: bool = True) -> list[str]:
    """Return what axe finds wrong by WCAG 2.2 AA: in contrast (``colours``), in all else (``rest``)."""
    only: dict[str, Any] = (
        {"runOnly": {"type": "tag", "values": _RULES}, "rules": {_CONTRAST: {"enabled": colours}}}
        if rest
        else {"runOnly": {"type": "rule", "values": [_CONTRAST]}}
    )
    if not await page.evaluate("() => Boolean(window.axe)"):
        await page.evaluate(_axe())
    found = await page.evaluate("(only) => axe.run(document, {...only, resultTypes: ['violations']})", only)
    return [
        f"{violation['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


async def look_over(
    guest: Guest, path: str, status: int = 200, *, axe: bool = True, colours: bool = True
) -> list[str]:
    """Open ``path`` and return what is wrong with the page; with ``axe`` and ``colours`` also in the dark."""
    before = len(guest.complaints)
    response = await guest.go(path)
    found = [f"status {response.status}"] if response.status != status else []
    found += await faults(guest, response, axe=axe, colours=colours)
    complaints = guest.complaints[before:]
    del guest.complaints[before:]
    if status >= 400:
        # The browser writes down by itself that the page was not there.
        complaints = [line for line in complaints if "Failed to load resource" not in line]
    return [f"{path} ({guest.locale}): {line}" for line in found + complaints]


async def faults(
    guest: Guest, response: Response | None = None, *, axe: bool = True, colours: bool = True
) -> list[str]:
    """Return what is wrong with the page that is shown."""
    page = guest.page
    found = _guarded(response) if response is not None else []
    found += await _in_words(guest)
    weight = await page.evaluate(_WEIGHT)
    if weight > MAX_BYTES:
        found.append(f"weighs {weight} bytes")
    if axe:
        found += await violations(page, colours=colours)
    if axe and colours:
        await page.emulate_media(color_scheme="dark")
        found += [f"dark: {line}" for line in await violations(page, rest=False)]
        await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    found += [f"too wide: {part}" for part in await page.evaluate(_WIDER)]
    await page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    return found


async def both_languages(guest: Guest, paths: Sequence[str]) -> None:
    """Look every page over in both languages, beginning with the person's own.

    Colours, light and dark, are looked at in the first: they do not depend on the language, and that is
    most of the work.
    """
    found, own = [], guest.locale
    for locale in (own, {"zh-CN": "en", "en": "zh-CN"}[own]):
        await guest.read_in(locale)
        found += [line for path in paths for line in await look_over(guest, path, colours=locale == own)]
    assert not found, "\n".join(found)


def _guarded(response: Response) -> list[str]:
    policy = response.headers.get("content-security-policy", "")
    wanted = {
        "x-content-type-options": "nosniff",
        "content-type": "text/html; charset=utf-8",
    }
    found = [
        f"{name}: {response.headers.get(name)}"
        for name, value in wanted.items()
        if response.headers.get(name) != value
    ]
    if "unsafe" in policy or "default-src 'none'" not in policy or "script-src 'self'" not in policy:
        found.append(f"content-security-policy: {policy}")
    return found


async def _in_words(guest: Guest) -> list[str]:
    page = guest.page
    found = []
    if await guest.language() != guest.locale:
        found.append(f"written in {await guest.language()}")
    if not (await page.title()).strip() or await page.locator("h1").count() != 1:
        found.append(f"title «{await page.title()}», {await page.locator('h1').count()} first headings")
    text = await page.evaluate(_VISIBLE)
    for what, pattern in (("id", _IDS), ("code", _CODES), ("left over", _LEFTOVERS)):
        found += [f"{what}: {match}" for match in sorted(set(pattern.findall(text)))]
    return found
