"""Text in pictures: lines of a measured width, nothing that the font lacks, drawn once."""

import asyncio
import io

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api.pages.pictures import ELLIPSIS, Drawings, balanced, face, fitted, poster, wrapped
from api.pages.pictures.preview import SIZE, Preview, draw
from api.pages.pictures.qr import modules


class Ruler:
    """Chinese and other wide characters are two wide, the rest one."""

    def width(self, text: str) -> float:
        return sum(2 if ord(char) > 0x2E80 else 1 for char in text)


RULER = Ruler()


def test_words_are_kept_whole_and_chinese_breaks_anywhere() -> None:
    assert wrapped(RULER, "one two three", 8) == ["one two", "three"]
    assert wrapped(RULER, "今天读完三章", 8) == ["今天读完", "三章"]
    assert wrapped(RULER, "读 chapter 三", 9) == ["读", "chapter", "三"]
    assert wrapped(RULER, "a\n\n  b  \n", 5) == ["a", "b"]
    assert wrapped(RULER, "abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    assert wrapped(RULER, "今天读完，三章", 8) == ["今天读", "完，三章"]
    assert wrapped(RULER, "今天读《三章》", 8) == ["今天读", "《三章》"]
    # What a mark would take down with it has to fit there.
    assert wrapped(RULER, "00%0", 2) == ["00", "%0"]
    # Nothing but marks: cut where it is full, and it ends.
    assert wrapped(RULER, "，" * 9, 8) == ["，" * 4, "，" * 4, "，"]


def test_what_is_too_much_ends_in_an_ellipsis() -> None:
    assert fitted(RULER, "one two three", 8, 1) == ["one two" + ELLIPSIS]
    assert fitted(RULER, "one two three", 7, 1) == ["one tw" + ELLIPSIS]
    assert fitted(RULER, "今天读完，三章", 9, 1) == ["今天读" + ELLIPSIS]
    assert fitted(RULER, "one two", 7, 1) == ["one two"]
    assert fitted(RULER, "", 7, 1) == []
    assert fitted(RULER, "x " * 50_000, 10, 2)[-1].endswith(ELLIPSIS)


@given(st.text(max_size=400), st.integers(2, 60), st.integers(1, 6))
def test_lines_fit_whatever_the_text(text: str, width: int, most: int) -> None:
    lines = fitted(RULER, text, width, most)
    assert len(lines) <= most
    assert all(RULER.width(line) <= width or len(line) == 1 for line in lines)
    whole = wrapped(RULER, text, width)
    assert "".join("".join(whole).split()) == "".join(text.split())


def test_lines_of_a_poster_leave_no_character_alone() -> None:
    assert balanced(RULER, "今天读完三章书", 12, 3) == ["今天读完", "三章书"]
    assert balanced(RULER, "one two three", 12, 3) == ["one two", "three"]
    # What is cut fills its lines.
    assert balanced(RULER, "今天读完三章书" * 9, 12, 2) == fitted(RULER, "今天读完三章书" * 9, 12, 2)


@given(st.text(max_size=400), st.integers(4, 60), st.integers(1, 6))
def test_balanced_lines_are_as_many_and_say_the_same(text: str, width: int, most: int) -> None:
    lines, plain = balanced(RULER, text, width, most), fitted(RULER, text, width, most)
    assert len(lines) == len(plain)
    assert "".join("".join(lines).split()) == "".join("".join(plain).split())
    assert all(RULER.width(line) <= width for line in lines)


def test_the_font_draws_nothing_that_it_lacks() -> None:
    assert face(40).drawable("ok \U0010fff0\u202ed\x00") == "ok d"


@pytest.mark.parametrize("note", ["", "短", "字" * 5000, "<b>{{ 7*7 }}</b>" * 40, "a" * 5000, "，" * 99])
async def test_a_preview_of_anything_is_a_picture_of_its_size_drawn_once(note: str) -> None:
    shown, drawings, drawn = Preview("活动" * 60, "Day 365", note, "作者" * 60, "Kameng"), Drawings(), []

    def once() -> Image.Image:
        drawn.append(1)
        return draw(shown)

    first, second = await asyncio.gather(drawings.png(shown, once), drawings.png(shown, once))
    assert first == second
    assert drawn == [1]
    image = Image.open(io.BytesIO(first))
    assert (image.size, image.format) == (SIZE, "PNG")
    assert len(first) < 300_000


@pytest.mark.parametrize("text", ["", "短", "字" * 500, "<b>{{ 7*7 }}</b>" * 40, "a" * 500, "，" * 99])
def test_a_poster_of_anything_carries_its_code(text: str) -> None:
    url = "https://kameng.example/i/" + "x" * 22
    shown = poster.Poster(text, text, text, text, text, text, text, "Kameng", url)
    picture = poster.draw(shown)
    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [url]
    # As a messenger passes it on, and a phone sees it.
    small = picture.resize((360, 540))
    assert [found.text for found in zxingcpp.read_barcodes(small)] == [url]
    image = picture.convert("1")
    assert image.size == poster.SIZE
    rows = modules(url)
    assert len(rows) == len(rows[0])
    assert not any(dark for row in (*rows[:4], *rows[-4:]) for dark in row), "no margin around the code"
    unit, (left, top) = poster.CODE_SIDE // len(rows), poster.CODE_AT
    assert unit >= 6
    seen = [
        [
            not image.getpixel((left + x * unit + unit // 2, top + y * unit + unit // 2))
            for x in range(len(row))
        ]
        for y, row in enumerate(rows)
    ]
    assert seen == rows
