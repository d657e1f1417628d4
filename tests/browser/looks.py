"""What every page must be, whatever it shows: accessible, narrow enough, in one language, light, guarded."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

from playwright.async_api import Page, Response

from tests.browser.guests import DESKTOP, PHONE, Guest

MAX_BYTES: Final = 100_000
"""Of a page with its styles and scripts, without pictures; not compressed."""

# WCAG 2.2 AA, and what axe recommends.
_ALL: Final[dict[str, Any]] = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
_COLOURS: Final[dict[str, Any]] = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""Rules whose answer can change when only the colour scheme does."""

# Frames are pages of their own and looked at as such; axe would wait half a second for each to answer. It
# writes selectors only where something is wrong.
_AXE: Final = """async (only) => {
  const options = {runOnly: only, resultTypes: ["violations"], iframes: false, preload: {assets: ["media"]}};
  let found = await axe.run(document, {...options, selectors: false});
  if (found.violations.length) found = await axe.run(document, options);
  return found.violations.flatMap(({id, nodes}) => nodes.map(({target, html, failureSummary}) =>
    `${id}: ${target} ${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`));
}"""
# Of ASCII, so that what stands between Chinese characters is a word as well.
_IDS: Final = re.compile(
    r"\b(?:page|problem|field|status|stage|role|reason|word|done|entry|actor|missing|target|flag)\.[a-z_]+\b",
    re.ASCII,
)
_CODES: Final = re.compile(r"(?<![\w@./:-])[a-z]+(?:_[a-z]+)+(?![\w@/-])", re.ASCII)
_LEFTOVERS: Final = re.compile(r"\b(?:None|Undefined|NaN|undefined)\b|\{[a-z_]+\}|\{\{|%\(", re.ASCII)
_READ: Final = """() => {
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("pre, script, .receipt, [data-own-words]").forEach((part) => part.remove());
  const attributes = ["aria-label", "alt", "placeholder", "title"];
  const labels = [...document.querySelectorAll("[aria-label],[alt],[placeholder],[title]")]
    .map((e) => attributes.map((a) => e.getAttribute(a) ?? "").join(" ")).join(" ");
  const parts = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")
    .filter((entry) => !/\\.(png|jpe?g|webp|svg)|documents\\//.test(entry.name))];
  return {
    language: document.documentElement.lang,
    title: document.title,
    headings: document.querySelectorAll("h1").length,
    text: `${copy.innerText} ${document.title} ${labels}`,
    weight: parts.reduce((sum, entry) => sum + entry.decodedBodySize, 0),
  };
}"""
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


async def violations(page: Page, only: dict[str, Any] = _ALL) -> list[str]:
    """Return what axe finds wrong with the page as it is shown, by the rules of ``only``."""
    if not await page.evaluate("() => Boolean(window.axe)"):
        await page.evaluate(_axe())
    found: list[str] = await page.evaluate(_AXE, only)
    return found


async def look_over(
    guest: Guest, path: str, status: int = 200, *, axe: bool = True, dark: bool = True
) -> list[str]:
    """Open ``path`` and return what is wrong with the page; with ``axe`` and ``dark`` also in the dark."""
    before = len(guest.complaints)
    response = await guest.go(path)
    found = [f"status {response.status}"] if response.status != status else []
    found += await faults(guest, response, axe=axe, dark=dark)
    complaints = guest.complaints[before:]
    del guest.complaints[before:]
    if status >= 400:
        # The browser writes down by itself that the page was not there.
        complaints = [line for line in complaints if "Failed to load resource" not in line]
    return [f"{path} ({guest.locale}): {line}" for line in found + complaints]


async def faults(
    guest: Guest, response: Response | None = None, *, axe: bool = True, dark: bool = True
) -> list[str]:
    """Return what is wrong with the page that is shown, with ``axe`` and ``dark`` also in the dark."""
    page = guest.page
    found = _guarded(response) if response is not None else []
    found += await _as_read(guest)
    if axe:
        found += await violations(page)
    if axe and dark:
        await page.emulate_media(color_scheme="dark")
        found += [f"dark: {line}" for line in await violations(page, _COLOURS)]
        await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    found += [f"too wide: {part}" for part in await page.evaluate(_WIDER)]
    await page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    return found


async def both_languages(guest: Guest, paths: Sequence[str]) -> None:
    """Look every page over in both languages, in the person's own by light, in the other one in the dark.

    Colours do not depend on the language, nor the rest on the colours: each is seen both ways, and loading
    and contrast are most of the work.
    """
    found, own = [], guest.locale
    for locale in (own, {"zh-CN": "en", "en": "zh-CN"}[own]):
        scheme: Literal["light", "dark"] = "light" if locale == own else "dark"
        await guest.page.emulate_media(color_scheme=scheme)
        await guest.read_in(locale)
        found += [f"{scheme}: {line}" for path in paths for line in await look_over(guest, path, dark=False)]
    await guest.page.emulate_media(color_scheme="light")
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


async def _as_read(guest: Guest) -> list[str]:
    """Return what is wrong with the words of the page, and with its weight."""
    read = await guest.page.evaluate(_READ)
    found = []
    if read["language"] != guest.locale:
        found.append(f"written in {read['language']}")
    if not read["title"].strip() or read["headings"] != 1:
        found.append(f"title «{read['title']}», {read['headings']} first headings")
    for what, pattern in (("id", _IDS), ("code", _CODES), ("left over", _LEFTOVERS)):
        found += [f"{what}: {match}" for match in sorted(set(pattern.findall(read["text"])))]
    if read["weight"] > MAX_BYTES:
        found.append(f"weighs {read['weight']} bytes")
    return found
