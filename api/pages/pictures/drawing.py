"""Drawing one picture at a time in a thread, and keeping what was drawn last."""

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from PIL import Image

_KEPT: Final = 128


class Drawings:
    """Pictures as PNG by what they show; one for a process, and for one kind of picture."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    async def png(self, shows: Hashable, draw: Callable[[], Image.Image]) -> bytes:
        """Return the picture that ``draw`` makes of ``shows``; drawn once, as long as it is kept."""
        if shows not in self._kept:
            async with self._one:
                if shows not in self._kept:
                    self._kept[shows] = await asyncio.to_thread(_png, draw)
                    while len(self._kept) > _KEPT:
                        self._kept.popitem(last=False)
                return self._kept[shows]
        self._kept.move_to_end(shows)
        return self._kept[shows]


def _png(draw: Callable[[], Image.Image]) -> bytes:
    written = io.BytesIO()
    draw().save(written, format="PNG", optimize=False, compress_level=7)
    return written.getvalue()
