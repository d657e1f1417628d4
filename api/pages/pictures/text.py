"""Text set in lines of a measured width, Chinese and Latin mixed; too much of it ends in an ellipsis."""

import re
from collections.abc import Iterator
from typing import Protocol

ELLIPSIS = "…"
# Chinese marks that never begin a line, and those that never end one.
_NOT_FIRST = frozenset("，。、；：？！）》」』】〕〉”’…—·,.;:?!)]}%％")
_NOT_LAST = frozenset("（《「『【〔〈“‘([{")
_PIECE = re.compile(r"\s+|[!-~\u00a1-\u024f\u0370-\u04ff]+|.", re.DOTALL)


class Measure(Protocol):
    """What tells how wide text is."""

    def width(self, text: str) -> float:
        """Return the width in pixels."""


def wrapped(face: Measure, text: str, width: float) -> list[str]:
    """Return ``text`` in lines of at most ``width``: words are kept whole where they fit, blank lines go."""
    paragraphs = (paragraph for paragraph in text.splitlines() if paragraph.strip())
    return [line for paragraph in paragraphs for line in _lines(face, paragraph, width)]


def _lines(face: Measure, paragraph: str, width: float) -> Iterator[str]:
    line = ""
    for piece in _pieces(face, paragraph.strip(), width):
        if face.width((line + piece).rstrip()) <= width:
            line += piece
            continue
        kept, carried = _carried(line, piece)
        if face.width(carried + piece) > width:
            # Better a mark in the wrong place than a line that is cut off.
            kept, carried = line, ""
        if kept.strip():
            yield kept.rstrip()
        line = (carried + piece).lstrip()
    if line.strip():
        yield line.rstrip()


def _carried(line: str, piece: str) -> tuple[str, str]:
    """Return what stays on a full line, and what goes down with ``piece``, so that no mark stands wrong."""
    kept = line
    while kept.strip() and (piece[:1] in _NOT_FIRST or kept[-1:] in _NOT_LAST):
        kept, piece = kept[:-1], kept[-1:]
    # A line of nothing but such marks is cut where it is full.
    return (kept, line[len(kept) :]) if kept.strip() else (line, "")


def _pieces(face: Measure, text: str, width: float) -> Iterator[str]:
    for found in _PIECE.finditer(text):
        piece = found.group()
        if piece.isspace():
            yield " "
            continue
        while face.width(piece) > width and len(piece) > 1:
            cut = _fitting(face, piece, width)
            yield piece[:cut]
            piece = piece[cut:]
        yield piece


def _fitting(face: Measure, text: str, width: float) -> int:
    """Return how many characters of ``text`` fit, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.width(text[:middle]) <= width else (low, middle - 1)
    return low


def fitted(face: Measure, text: str, width: float, most: int) -> list[str]:
    """Return at most ``most`` lines of ``text``; where that is not all, the last ends in an ellipsis."""
    # More than this is never looked at, however long the text.
    lines = wrapped(face, text[: 400 * most], width)
    if len(lines) <= most and len(text) <= 400 * most:
        return lines
    last = lines[most - 1 : most] or [""]
    return [*lines[: most - 1], _ended(face, last[0], width)]


def balanced(face: Measure, text: str, width: float, most: int) -> list[str]:
    """Return the lines of ``fitted``, about equally long, so that no word or character is left alone.

    Text that is cut fills its lines, and so keeps them.
    """
    lines, low, high = fitted(face, text, width, most), 0.6 * width, width
    if len(lines) < 2 or lines != wrapped(face, text, width):
        return lines
    while high - low > 1:
        middle = (low + high) / 2
        tried = wrapped(face, text, middle)
        if len(tried) > len(lines):
            low = middle
        else:
            lines, high = tried, middle
    return lines


def _ended(face: Measure, line: str, width: float) -> str:
    room = width - face.width(ELLIPSIS)
    while line and face.width(line) > room:
        line = line[:-1]
    return line.rstrip(" ，、；：,;:.。") + ELLIPSIS
