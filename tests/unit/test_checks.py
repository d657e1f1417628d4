"""Automatic checks: what is missing, who is barred, what reviewers are told, at the exact bounds."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checks import (
    MINIMUM_BIO,
    MINIMUM_STATEMENT,
    Background,
    Flag,
    Missing,
    Submission,
    barred,
    flags,
    link_key,
    missing,
)
from domain.credentials import CredentialClaim
from domain.vetting import Refusal

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CLAIM = CredentialClaim(id="c", scope="cooking", issuer="School")
COMPLETE = Submission(
    headline="Cook",
    bio="b" * MINIMUM_BIO,
    statement="s" * MINIMUM_STATEMENT,
    tags=("cooking",),
    links=("https://example.org",),
    claims=(CLAIM,),
    document_kinds=("identity",),
)


def changed(**values: object) -> Submission:
    return COMPLETE.model_copy(update=values)


def test_a_complete_submission_lacks_nothing():
    assert missing(COMPLETE) == ()
    assert missing(changed(links=(), document_kinds=("sample", "identity"))) == ()


@pytest.mark.parametrize(
    ("values", "lacks"),
    [
        ({"headline": " \n"}, Missing.HEADLINE),
        ({"bio": "b" * (MINIMUM_BIO - 1)}, Missing.BIO),
        ({"bio": "b" * (MINIMUM_BIO - 1) + "    "}, Missing.BIO),
        ({"statement": "s" * (MINIMUM_STATEMENT - 1)}, Missing.STATEMENT),
        ({"tags": ()}, Missing.TAGS),
        ({"claims": ()}, Missing.CLAIMS),
        ({"document_kinds": ("credential",)}, Missing.IDENTITY_DOCUMENT),
        ({"links": ()}, Missing.CONTENT_SAMPLE),
        ({"claims": (CLAIM.model_copy(update={"scope": "Law"}),)}, Missing.REGULATED_DOCUMENT),
    ],
)
def test_each_thing_that_can_be_missing(values: dict[str, object], lacks: Missing):
    assert missing(changed(**values)) == (lacks,)


def test_an_empty_draft_lacks_all_in_the_order_of_the_form():
    empty = Submission(headline="", bio="", statement="", tags=(), links=(), claims=(), document_kinds=())
    assert missing(empty) == tuple(item for item in Missing if item is not Missing.REGULATED_DOCUMENT)


def test_a_regulated_claim_with_its_document_is_complete():
    assert missing(changed(claims=(CLAIM.model_copy(update={"scope": "law", "document_ids": ("d",)}),))) == ()


MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("background", "refusal"),
    [
        (Background(), None),
        (Background(reapply_after=NOW + MOMENT), Refusal.COOL_DOWN),
        (Background(reapply_after=NOW), None),  # the first moment after the cool-down
        (Background(reapply_after=NOW - MOMENT), None),
        (Background(sanctioned=True), Refusal.SANCTIONED),
        (Background(other_application_open=True), Refusal.OTHER_APPLICATION_OPEN),
        (
            Background(other_application_open=True, sanctioned=True, reapply_after=NOW + MOMENT),
            Refusal.OTHER_APPLICATION_OPEN,
        ),
        (Background(sanctioned=True, reapply_after=NOW + MOMENT), Refusal.SANCTIONED),
        (Background(flags=tuple(Flag)), None),  # a flag never decides by itself
    ],
)
def test_who_may_not_submit(background: Background, refusal: Refusal | None):
    assert barred(background, NOW) is refusal


def test_flags_are_sorted_and_each_there_once():
    claims = (
        CLAIM.model_copy(update={"scope": "Finance", "expires_on": NOW.date() - timedelta(days=1)}),
        CLAIM.model_copy(update={"scope": "law"}),
    )
    known = Background(flags=(Flag.EXPIRED_CLAIM, Flag.EARLIER_FRAUD, Flag.DUPLICATE_LINK))
    expected = (Flag.DUPLICATE_LINK, Flag.EARLIER_FRAUD, Flag.EXPIRED_CLAIM, Flag.REGULATED_SCOPE)
    assert flags(changed(claims=claims), known, NOW) == expected
    assert flags(COMPLETE, Background(), NOW) == ()


@pytest.mark.parametrize(("expires", "lapsed"), [(date(2026, 4, 30), True), (date(2026, 5, 1), False)])
def test_a_claim_holds_on_its_last_day(expires: date, lapsed: bool):
    claims = (CLAIM.model_copy(update={"expires_on": expires}),)
    assert (Flag.EXPIRED_CLAIM in flags(changed(claims=claims), Background(), NOW)) is lapsed


@pytest.mark.parametrize(
    "same",
    [
        "http://example.org/a",
        "https://www.EXAMPLE.org/a/",
        " https://example.org/a#top ",
        "https://example.org/a?utm_source=x&utm_medium=y",
    ],
)
def test_spellings_of_one_page_are_one_link(same: str):
    assert link_key(same) == link_key("https://example.org/a")


@pytest.mark.parametrize(
    "other",
    ["https://example.org/b", "https://example.com/a", "https://example.org/a?id=2", "http://[broken"],
)
def test_other_pages_are_other_links(other: str):
    assert link_key(other) != link_key("https://example.org/a")


def test_pages_that_differ_by_their_query_alone_are_different():
    """As with most videos and with articles of public accounts."""
    assert link_key("https://v.example.org/watch?v=1") != link_key("https://v.example.org/watch?v=2")
    assert link_key("https://v.example.org/w?a=1&b=2") == link_key("https://v.example.org/w?b=2&a=1")


@given(st.text(max_size=80))
def test_any_text_has_a_key(link: str):
    assert len(link_key(link)) == 64
    assert link_key("https://" + link) == link_key("https://" + link)
