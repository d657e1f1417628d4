"""Addresses and names as the community compares them, and conflicts of interest."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.people import has_control_characters, normalise_email


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Li.Na@Example.org", "li.na@example.org"),
        ("lina+news@example.org", "lina@example.org"),
        ("l.i.n.a+x@gmail.com", "LINA@googlemail.com"),
        (" lina@example.org ", "lina@example.org"),
        ("ｌｉｎａ＠example.org", "lina@example.org"),
        ("STRASSE@example.org", "straße@example.org"),
    ],
)
def test_spellings_of_one_mailbox(one: str, other: str):
    assert normalise_email(one) == normalise_email(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("li.na@example.org", "lina@example.org"),  # dots count outside Gmail
        ("lina@example.org", "lina@example.com"),
        ("+a@example.org", "+b@example.org"),  # nothing but a tag
    ],
)
def test_different_mailboxes(one: str, other: str):
    assert normalise_email(one) != normalise_email(other)


@given(st.emails())
def test_normalising_twice_changes_nothing_and_keeps_an_address(email: str):
    once = normalise_email(email)
    assert normalise_email(once) == once
    local, _, host = once.rpartition("@")
    assert local
    assert host


@given(st.emails(), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True))
def test_a_tag_and_the_case_never_tell_people_apart(email: str, tag: str):
    local, _, host = email.rpartition("@")
    assume(not local.startswith("+"))  # all of it would be the tag
    assert normalise_email(f"{local}+{tag}@{host}".upper()) == normalise_email(email.upper())


@pytest.mark.parametrize("bad", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"])
def test_control_characters_are_found_anywhere(bad: str):
    assert all(has_control_characters(text) for text in (bad, f"a{bad}", f"{bad}a", f"a{bad}b"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Zl", "Zp"])))
def test_other_text_is_free_of_them(text: str):
    assert not has_control_characters(text)
