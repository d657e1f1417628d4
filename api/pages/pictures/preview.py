"""The preview picture of a shared note: 1200 by 630, as social apps show it beside a link."""

from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from api.pages.pictures.fonts import Face, face
from api.pages.pictures.text import ELLIPSIS, fitted

SIZE: Final = (1200, 630)
_PAPER: Final = "#f7f5f0"
_SHEET: Final = "#ffffff"
_INK: Final = "#1f2421"
_SOFT: Final = "#565d58"
_PINE: Final = "#1f5f4b"
_LINE: Final = "#d9d5ca"
_MARGIN: Final = 56
_INSIDE: Final = 112
_WIDTH: Final = SIZE[0] - 2 * _INSIDE
# Sizes of the note in pixels, and how many lines of it there are.
_LARGE: Final = (54, 4)
_SMALL: Final = (44, 5)


class Preview(NamedTuple):
    """What a preview says: the campaign, the day, the note, who wrote it, and the community's name."""

    campaign: str
    day: str
    note: str
    author: str
    brand: str


def draw(shown: Preview) -> Image.Image:
    """Draw the preview: the note as large as it fits, at most in five lines. Blocks."""
    image = Image.new("RGB", SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((_MARGIN, 48, SIZE[0] - _MARGIN, 532), 28, fill=_SHEET, outline=_LINE, width=2)
    pen.rounded_rectangle((_INSIDE, 96, _INSIDE + 8, 140), 4, fill=_PINE)
    _line(pen, face(32, bold=True), shown.campaign, (_INSIDE + 26, 117), _PINE, _WIDTH - 230)
    _line(pen, face(28), shown.day, (SIZE[0] - _INSIDE, 117), _SOFT, 200, anchor="rm")
    _note(pen, shown.note)
    _line(pen, face(28), shown.author, (_INSIDE, 484), _SOFT, _WIDTH)
    _brand(pen, shown.brand)
    return image


def _note(pen: ImageDraw.ImageDraw, note: str) -> None:
    """Set the note between the heading and the name, in the larger size if it is whole in it."""
    size, font, lines = _LARGE[0], face(_LARGE[0]), list[str]()
    for size, most in (_LARGE, _SMALL):
        font = face(size)
        lines = fitted(font, font.drawable(note), _WIDTH, most)
        if not any(line.endswith(ELLIPSIS) for line in lines):
            break
    height = round(size * 1.42)
    top = 172 + (268 - height * len(lines)) // 2
    for number, line in enumerate(lines):
        pen.text((_INSIDE, top + height * number + height // 2), line, fill=_INK, font=font.font, anchor="lm")


def _line(
    pen: ImageDraw.ImageDraw,
    font: Face,
    text: str,
    at: tuple[int, int],
    fill: str,
    width: int,
    anchor: str = "lm",
) -> None:
    for line in fitted(font, font.drawable(text.replace("\n", " ")), width, 1):
        pen.text(at, line, fill=fill, font=font.font, anchor=anchor)


def _brand(pen: ImageDraw.ImageDraw, name: str) -> None:
    """Draw the community's shield and name below the sheet."""
    left, top, unit = _INSIDE, 556, 1.9
    shield = ((13, 1), (24, 7), (24, 14), (22, 19.5), (18, 23), (13, 25), (8, 23), (4, 19.5), (2, 14), (2, 7))
    pen.polygon([(left + x * unit, top + y * unit) for x, y in shield], fill=_PINE)
    tick = [(left + x * unit, top + y * unit) for x, y in ((8, 13), (11.5, 16.5), (18.5, 9))]
    pen.line(tick, fill="#ffffff", width=5, joint="curve")
    pen.text((left + 64, top + 25), name, fill=_PINE, font=face(30, bold=True).font, anchor="lm")
