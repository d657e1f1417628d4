"""Grams find exactly what a text contains: on random texts in both scripts, against plain containment."""

from hypothesis import example, given
from hypothesis import strategies as st

from domain.search import GRAM, MOST_LOOKED_AT, beginnings, folded, grams, key_range

LETTERS = "aAbBc读诗家 é-%_\\ÄẞŒﬁＡ１\u0301𠮷"
texts = st.text(LETTERS, max_size=24).map(folded)


def _found(text: str, search: str) -> bool:
    """Look ``search`` up in the grams alone."""
    keys = [gram.encode() for gram in grams(text)]
    ranges = [key_range(beginning) for beginning in beginnings(search)]
    return all(any(first <= key < last for key in keys) for first, last in ranges)


@given(texts, texts)
@example("读诗会", "诗会")
@example("诗", "诗")
@example("abc", "abcd")
def test_no_text_that_contains_the_search_is_missed(text: str, search: str) -> None:
    if search in text:
        assert _found(text, search)


@given(texts, st.data())
def test_every_piece_of_a_text_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    assert _found(text, text[start : data.draw(st.integers(start, len(text)))])


@given(texts, st.text(LETTERS, min_size=1, max_size=GRAM).map(folded))
def test_a_short_search_is_found_only_where_it_is(text: str, search: str) -> None:
    if 0 < len(search) <= GRAM:
        assert _found(text, search) == (search in text)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text(max_size=30))
def test_case_and_width_make_no_difference(text: str) -> None:
    wide = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert folded(wide) == folded(text)
    assert folded(text.swapcase()) == folded(text.swapcase().casefold())


@given(st.text(max_size=200).map(folded))
def test_a_long_search_is_looked_up_in_few_places(search: str) -> None:
    assert len(beginnings(search)) <= MOST_LOOKED_AT
    assert bool(beginnings(search)) == bool(search)


@given(st.text(min_size=1, max_size=GRAM), st.text(max_size=5))
def test_the_range_of_a_beginning_holds_what_begins_with_it(beginning: str, other: str) -> None:
    first, last = key_range(beginning)
    assert first <= (beginning + other).encode() < last
    assert (first <= other.encode() < last) == other.startswith(beginning)
