"""The pages of a PDF as pictures, drawn in a process of their own that hostile files may bring down."""

import asyncio
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import structlog

WIDTH: Final = 1200
"""Pixels across: sharp enough to read small print on a wide screen."""

MOST_PAGES: Final = 20
MOST_BYTES: Final = 8 * 1024 * 1024
_SECONDS: Final = 15.0
_AT_ONCE: Final = 2
_KEPT_BYTES: Final = 48 * 1024 * 1024
_CHILD: Final = Path(__file__).with_name("pdf_child.py")

log: Any = structlog.get_logger("kameng.documents")


class Unreadable(Exception):
    """The file has no such page, or cannot be drawn within its bounds."""


class PdfPages:
    """Draws pages, at most two at a time, and keeps the last ones. One for a process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    async def count(self, path: Path) -> int:
        """Return how many pages the file has. Raises ``Unreadable``."""
        text = await self._known(path, 0)
        if not text.isdigit():
            raise Unreadable
        return int(text)

    async def png(self, path: Path, number: int) -> bytes:
        """Return page ``number`` (from 1 to ``MOST_PAGES``) as PNG. Raises ``Unreadable``."""
        if not 1 <= number <= MOST_PAGES:
            raise Unreadable
        return await self._known(path, number)

    async def _known(self, path: Path, number: int) -> bytes:
        """Return what was drawn before, or draw it. Stored files have random names and never change."""
        key = (path.name, number)
        found = self._kept.get(key)
        if found is None:
            async with self._turn:
                found = self._kept.get(key) or await _drawn(path, number)
            self._keep(key, found)
        self._kept.move_to_end(key)
        return found

    def _keep(self, key: tuple[str, int], drawn: bytes) -> None:
        if key not in self._kept:
            self._bytes += len(drawn)
        self._kept[key] = drawn
        while self._bytes > _KEPT_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)


async def _drawn(path: Path, number: int) -> bytes:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_CHILD),
        str(path),
        str(number),
        str(WIDTH),
        env={},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            drawn, _ = await child.communicate()
    except TimeoutError:
        log.warning("drawing a page took too long", document=path.name, page=number)
        raise Unreadable from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0 or not drawn or len(drawn) > MOST_BYTES:
        log.warning("a page cannot be drawn", document=path.name, page=number, status=child.returncode)
        raise Unreadable
    return drawn
