"""The preview picture of a shared note: 1200 by 630, as social apps show it beside a link."""

from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from api.pages.pictures.fonts import face
from api.pages.pictures.sheet import INK, LINE, PAPER, PINE, SHEET, SOFT, brand, one_line
from api.pages.pictures.text import ELLIPSIS, fitted

SIZE: Final = (1200, 630)
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
    image = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((_MARGIN, 48, SIZE[0] - _MARGIN, 532), 28, fill=SHEET, outline=LINE, width=2)
    pen.rounded_rectangle((_INSIDE, 96, _INSIDE + 8, 140), 4, fill=PINE)
    one_line(pen, face(32, bold=True), shown.campaign, (_INSIDE + 26, 117), PINE, _WIDTH - 230)
    one_line(pen, face(28), shown.day, (SIZE[0] - _INSIDE, 117), SOFT, 200, anchor="rm")
    _note(pen, shown.note)
    one_line(pen, face(28), shown.author, (_INSIDE, 484), SOFT, _WIDTH)
    brand(pen, shown.brand, _INSIDE, 556)
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
        pen.text((_INSIDE, top + height * number + height // 2), line, fill=INK, font=font.font, anchor="lm")
