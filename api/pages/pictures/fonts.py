"""Fonts that know Chinese and Latin: found on this machine, and which characters they have."""

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

_DIRECTORIES: Final = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
# By preference: the file's beginning for regular and for bold text, in small letters.
_FAMILIES: Final = (
    ("notosanscjk-regular", "notosanscjk-bold"),
    ("notosanscjksc-regular", "notosanscjksc-bold"),
    ("notosanssc-regular", "notosanssc-bold"),
    ("sourcehansanssc-regular", "sourcehansanssc-bold"),
    ("sourcehansanscn-regular", "sourcehansanscn-bold"),
    ("pingfang", "pingfang"),
    ("msyh.", "msyhbd."),
    ("wqy-microhei", "wqy-microhei"),
    ("wqy-zenhei", "wqy-zenhei"),
    ("droidsansfallback", "droidsansfallback"),
)
_ENDINGS: Final = (".ttc", ".otf", ".ttf")
_MOST_FACES_IN_FILE: Final = 40
# What is left where a sign was dropped before a Chinese mark.
_SPACED_MARK: Final = re.compile(r" +([，。！？、；：])")


class Face:
    """One font in one size (pixels): measures text and knows what it can draw."""

    def __init__(self, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
        self.font = font
        self._lacking = bytes(font.getmask("\U0010ffff"))
        self.has = lru_cache(maxsize=20_000)(self._has)
        self._advance = lru_cache(maxsize=20_000)(font.getlength)

    def width(self, text: str) -> float:
        """Return how wide ``text`` is, in pixels; the sum of its characters, at most a hair off."""
        return sum(map(self._advance, text))

    def _has(self, char: str) -> bool:
        return char.isspace() or bytes(self.font.getmask(char)) != self._lacking

    def drawable(self, text: str) -> str:
        """Return ``text`` composed (NFC), without what would be drawn as boxes, such as coloured signs."""
        composed = unicodedata.normalize("NFC", text)
        kept = "".join(
            char
            for char in composed
            if char in "\n\t" or (unicodedata.category(char)[0] != "C" and self.has(char))
        )
        return _SPACED_MARK.sub(r"\1", kept)


def _files() -> Iterator[Path]:
    for directory in _DIRECTORIES:
        for folder, _, names in os.walk(directory):
            yield from (Path(folder) / name for name in names if name.casefold().endswith(_ENDINGS))


@cache
def _found() -> tuple[Path, Path] | None:
    by_name: dict[str, Path] = {}
    for path in _files():
        by_name.setdefault(path.name.casefold(), path)
    for regular, bold in _FAMILIES:
        plain = next((path for name, path in sorted(by_name.items()) if name.startswith(regular)), None)
        heavy = next((path for name, path in sorted(by_name.items()) if name.startswith(bold)), plain)
        if plain is not None and heavy is not None:
            return plain, heavy
    return None


@cache
def _index(path: Path) -> int:
    """Return which face of a collection is set for simplified Chinese; the first where none says so."""
    for index in range(_MOST_FACES_IN_FILE):
        try:
            name = ImageFont.truetype(str(path), 10, index=index).getname()[0] or ""
        except OSError:
            return 0
        if name.endswith(" SC") and "Mono" not in name:
            return index
    return 0


@cache
def face(size: int, bold: bool = False) -> Face:
    """Return the machine's font for Chinese and Latin; without any, Pillow's own, which is Latin only."""
    found = _found()
    if found is None:
        return Face(ImageFont.load_default(size))
    path = found[1 if bold else 0]
    return Face(ImageFont.truetype(str(path), size, index=_index(path)))
