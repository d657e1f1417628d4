"""What pictures with text have in common: colours, one line of text, the community's shield."""

from typing import Final

from PIL import ImageDraw

from api.pages.pictures.fonts import Face, face
from api.pages.pictures.text import fitted

PAPER: Final = "#f7f5f0"
SHEET: Final = "#ffffff"
INK: Final = "#1f2421"
SOFT: Final = "#565d58"
PINE: Final = "#1f5f4b"
LINE: Final = "#d9d5ca"


def one_line(
    pen: ImageDraw.ImageDraw,
    font: Face,
    text: str,
    at: tuple[int, int],
    fill: str,
    width: int,
    anchor: str = "lm",
) -> None:
    """Set ``text`` on one line of at most ``width`` pixels; what is too much of it ends in an ellipsis."""
    for line in fitted(font, font.drawable(text.replace("\n", " ")), width, 1):
        pen.text(at, line, fill=fill, font=font.font, anchor=anchor)


def brand(pen: ImageDraw.ImageDraw, name: str, left: int, top: int) -> None:
    """Draw the community's shield and name, about 50 pixels high."""
    unit = 1.9
    shield = ((13, 1), (24, 7), (24, 14), (22, 19.5), (18, 23), (13, 25), (8, 23), (4, 19.5), (2, 14), (2, 7))
    pen.polygon([(left + x * unit, top + y * unit) for x, y in shield], fill=PINE)
    tick = [(left + x * unit, top + y * unit) for x, y in ((8, 13), (11.5, 16.5), (18.5, 9))]
    pen.line(tick, fill="#ffffff", width=5, joint="curve")
    pen.text((left + 64, top + 25), name, fill=PINE, font=face(30, bold=True).font, anchor="lm")
