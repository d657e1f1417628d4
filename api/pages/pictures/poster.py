"""The share poster of an invitation: who invites to what, and a code to scan; as high as a phone."""

from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from api.pages.pictures.fonts import face
from api.pages.pictures.qr import modules
from api.pages.pictures.sheet import INK, LINE, PAPER, PINE, SHEET, SOFT, brand, one_line
from api.pages.pictures.text import balanced

SIZE: Final = (1080, 1620)
_LEFT: Final = 120
_WIDTH: Final = SIZE[0] - 2 * _LEFT
_TITLE: Final = (84, 112, 3)
_SUMMARY: Final = (42, 66, 3)
"""Size of the letters, height of a line (pixels), and how many lines at most."""
CODE_AT: Final = (88, 1128)
CODE_SIDE: Final = 400
"""Where the code may be: its upper left corner, and the side of the square that holds it with its margin."""


class Poster(NamedTuple):
    """What a poster says; ``url`` is what the code leads to."""

    invites: str
    title: str
    summary: str
    when: str
    led_by: str
    scan: str
    keeps: str
    brand: str
    url: str


def draw(shown: Poster) -> Image.Image:
    """Draw the poster: a long title and summary end in an ellipsis. Blocks."""
    image = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((60, 60, SIZE[0] - 60, SIZE[1] - 60), 36, fill=SHEET, outline=LINE, width=2)
    brand(pen, shown.brand, _LEFT, 128)
    one_line(pen, face(42), shown.invites, (_LEFT, 290), SOFT, _WIDTH)
    below = _block(pen, shown.title, 352, _TITLE, PINE, bold=True)
    below = _block(pen, shown.summary, below + 36, _SUMMARY, INK)
    one_line(pen, face(38, bold=True), shown.when, (_LEFT, below + 56), SOFT, _WIDTH)
    one_line(pen, face(38), shown.led_by, (_LEFT, below + 112), SOFT, _WIDTH)
    pen.line((_LEFT, 1088, SIZE[0] - _LEFT, 1088), fill=LINE, width=2)
    _code(pen, shown.url)
    beside = CODE_AT[0] + CODE_SIDE + 8
    room = SIZE[0] - _LEFT - beside
    below = _block(pen, shown.scan, 1210, (48, 66, 2), PINE, bold=True, left=beside, width=room)
    _block(pen, shown.keeps, below + 20, (30, 46, 3), SOFT, left=beside, width=room)
    return image


def _block(
    pen: ImageDraw.ImageDraw,
    text: str,
    top: int,
    set_as: tuple[int, int, int],
    fill: str,
    *,
    bold: bool = False,
    left: int = _LEFT,
    width: int = _WIDTH,
) -> int:
    """Set ``text`` in lines from ``top`` on, and return where the last one ends (pixels)."""
    size, height, most = set_as
    font = face(size, bold=bold)
    for line in balanced(font, font.drawable(text), width, most):
        pen.text((left, top + height // 2), line, fill=fill, font=font.font, anchor="lm")
        top += height
    return top


def _code(pen: ImageDraw.ImageDraw, url: str) -> None:
    """Draw the code in whole pixels for each module: scanners stumble over blurred edges."""
    rows = modules(url)
    unit = CODE_SIDE // len(rows)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                left, top = CODE_AT[0] + x * unit, CODE_AT[1] + y * unit
                pen.rectangle((left, top, left + unit - 1, top + unit - 1), fill="#000000")
