"""What meets a day's requirement, and what only looks like it."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns.plan import Proof, RequirementPlan
from domain.campaigns.requirements import (
    Evidence,
    Unmet,
    _dominated,
    _piece,
    is_web_address,
    substance,
    unmet,
    visible,
)

NOTE = RequirementPlan(proofs=(Proof.NOTE,), min_note_characters=10)
ANY = RequirementPlan(proofs=(Proof.NOTE, Proof.LINK), min_note_characters=10)
LINK = RequirementPlan(proofs=(Proof.LINK,))


@pytest.mark.parametrize(
    "note",
    [
        "今天读完第三章写了笔记",
        "Read chapter three, wrote it up.",
        "跑步五公里，比昨天快了",
        "Ran 5 km in 27:30 today",
        "🎉 finished the whole course!",
        "Ba ngày học tiếng Việt",
        "e\u0301te\u0301 1 2 3 4 5 6 7",
        "好好学习，天天向上，不负时光",
    ],
)
def test_notes_that_say_something(note: str):
    assert unmet(NOTE, Evidence(note=note)) is None


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("", Unmet.NOTE_TOO_SHORT),
        ("今天读完第三章", Unmet.NOTE_TOO_SHORT),
        ("a b c d e            \n\t f", Unmet.NOTE_TOO_SHORT),  # spaces do not count
        ("\u200b" * 40 + "done", Unmet.NOTE_TOO_SHORT),
        ("\u3164" * 40 + "\u2800" * 40, Unmet.NOTE_TOO_SHORT),
        ("e" + "\u0301" * 40, Unmet.NOTE_TOO_SHORT),  # marks upon one letter
        ("啊啊啊啊啊啊啊啊啊啊啊啊", Unmet.NOTE_REPEATS),
        ("aaaaaaaaaaaaaaaaaaaaab", Unmet.NOTE_REPEATS),
        ("打卡打卡打卡打卡打卡打卡", Unmet.NOTE_REPEATS),
        ("打卡，打卡。打卡！打卡？打卡", Unmet.NOTE_REPEATS),
        ("Good good GOOD good good", Unmet.NOTE_REPEATS),
        ("hello hello hello hel", Unmet.NOTE_REPEATS),  # the last time in part
        ("ok ok done ok ok ok ok", Unmet.NOTE_REPEATS),
        ("。。。。。。！！！！！！", Unmet.NOTE_REPEATS),
        ("👍👍👍👍👍👍👍👍👍👍👍👍", Unmet.NOTE_REPEATS),
        ("1111111111111111", Unmet.NOTE_REPEATS),
    ],
)
def test_notes_that_do_not(note: str, expected: Unmet):
    assert unmet(NOTE, Evidence(note=note)) is expected


def test_a_single_character_is_enough_where_one_is_asked_for():
    one = RequirementPlan(min_note_characters=1)
    assert unmet(one, Evidence(note="好")) is None
    assert unmet(one, Evidence(note="好好好")) is None
    assert unmet(one, Evidence(note=" \u200b ")) is Unmet.NOTE_TOO_SHORT
    assert unmet(one, Evidence(note="!?")) is Unmet.NOTE_REPEATS


def test_one_of_the_proofs_is_enough():
    assert unmet(ANY, Evidence(note="hi", link="https://example.org/post")) is None
    assert unmet(ANY, Evidence()) is Unmet.PROOF_MISSING
    assert unmet(ANY, Evidence(note="hi")) is Unmet.NOTE_TOO_SHORT
    assert unmet(LINK, Evidence(link="https://example.org/post")) is None


def test_what_the_plan_does_not_accept_does_not_count():
    assert unmet(LINK, Evidence(note="a note that is long enough")) is Unmet.PROOF_MISSING
    assert unmet(NOTE, Evidence(link="https://example.org/")) is Unmet.NOTE_TOO_SHORT


def test_a_bad_link_is_refused_even_beside_a_good_note():
    given_both = Evidence(note="Read chapter three, wrote it up.", link="javascript:alert(1)")
    assert unmet(NOTE, given_both) is Unmet.LINK_INVALID


@pytest.mark.parametrize(
    "link",
    [
        "https://example.org",
        "http://example.org:8080/a?b=c#d",
        "HTTPS://EXAMPLE.ORG/",
        "https://例子.中国/学习",
        "https://example.org/กำ",
        "https://example.org/@name",
    ],
)
def test_web_addresses(link: str):
    assert is_web_address(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "javascript://example.org/%0aalert(1)",
        "data:text/html,hi",
        "https://",
        "https:///path",
        "https://me@example.org/",
        "https://me:secret@example.org/",
        "https://example.org\\@elsewhere.org/",
        "https://example.org/a b",
        "https://example.org/\n",
        "https://example.org/\u202egnp.exe",
        "https://example.org:port/",
        "https://example.org:99999/",
        "https://[::1/",
        "http://localhost/",
        "http://localhost./",
        "https://example.org/" + "a" * 500,
    ],
)
def test_what_is_no_web_address(link: str):
    assert not is_web_address(link)


texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
plain = st.text(alphabet=st.sampled_from("abcdefg 学习打卡。，!1 \n"), min_size=1, max_size=20)


@settings(deadline=None)
@given(texts)
def test_no_text_breaks_the_rules_and_nothing_counts_more_than_it_shows(text: str):
    assert 0 <= substance(text) <= len(visible(text.lower()))
    assert visible(visible(text)) == visible(text)
    assert unmet(ANY, Evidence(note=text)) in {None, *Unmet}


@settings(deadline=None)
@given(plain, st.integers(2, 12))
def test_saying_it_again_never_counts_more_than_saying_it_once(text: str, times: int):
    assert substance(text * times) <= len(visible(text))


@settings(deadline=None)
@given(plain, st.text(alphabet=" \t\n\u200b\u3000", max_size=10))
def test_space_around_changes_nothing(text: str, space: str):
    assert substance(space + text + space) == substance(text)


@settings(deadline=None)
@given(st.text("ab好", max_size=14))
def test_a_repeated_piece_is_found_as_the_naive_search_finds_it(text: str):
    lengths = range(1, len(text) // 2 + 1)
    pieces = [n for n in lengths if (text[:n] * len(text))[: len(text)] == text]
    assert _piece(text) == min(pieces, default=len(text))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "ab", "好"]), max_size=9))
def test_what_makes_up_more_than_half_is_found_as_by_counting_each(words: list[str]):
    for pieces in (words, "".join(words)):
        most = max((pieces.count(one) for one in pieces), default=0)
        assert _dominated(pieces) == (most >= 2 and most * 2 > len(pieces))


@settings(deadline=None)
@given(st.permutations("今天读完第三章并且整理了한글의é笔记"), st.booleans())
def test_characters_that_all_differ_count_each(chars: list[str], decomposed: bool):
    text = "".join(chars)
    assert substance(unicodedata.normalize("NFD", text) if decomposed else text) == len(text)
