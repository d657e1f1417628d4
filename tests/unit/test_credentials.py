"""Claims: which are regulated, when they lapse, and what may count as verified."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.credentials import (
    REGULATED_SCOPES,
    ClaimFinding,
    ClaimVerdict,
    CredentialClaim,
    active_topics,
    is_expired,
    is_regulated,
    plain_findings,
    strictly_unproven,
)

TODAY = date(2026, 5, 1)
DAY = timedelta(days=1)


def claim(name: str = "c", scope: str = "cooking", **values: object) -> CredentialClaim:
    return CredentialClaim.model_validate({"id": name, "scope": scope, "issuer": "School", **values})


def finding(name: str = "c", *, verified: bool = True, looked_up: bool = False) -> ClaimFinding:
    verdict = ClaimVerdict.VERIFIED if verified else ClaimVerdict.REFUSED
    return ClaimFinding(claim_id=name, verdict=verdict, registry_checked=looked_up)


@pytest.mark.parametrize("scope", sorted(REGULATED_SCOPES))
@pytest.mark.parametrize("spell", [str, str.upper, str.title, "  {} ".format, "personal {}".format])
def test_regulated_fields_however_they_are_written(scope: str, spell):
    assert is_regulated(spell(scope))


@pytest.mark.parametrize(
    "scope", ["金融", "个人理财", "少儿教育", "中西医学", "医疗美容", "法律咨询", "Ｆｉｎａｎｃｅ"]
)
def test_regulated_fields_in_chinese(scope: str):
    assert is_regulated(scope)


@pytest.mark.parametrize("scope", ["cooking", "lawn care", "烹饪", "coworking", "flaw detection", ""])
def test_other_fields_are_free(scope: str):
    assert not is_regulated(scope)


@pytest.mark.parametrize(
    ("expires", "expired"), [(TODAY - DAY, True), (TODAY, False), (TODAY + DAY, False), (None, False)]
)
def test_a_claim_still_holds_on_its_last_day(expires: date | None, expired: bool):
    assert is_expired(claim(expires_on=expires), TODAY) is expired


def test_a_lapsed_claim_pauses_its_topic_only():
    claims = [
        claim("1", "tea"),
        claim("2", "go", expires_on=TODAY - DAY),
        claim("3", "tea", expires_on=TODAY - DAY),
    ]
    assert active_topics(claims, TODAY) == ("tea",)
    assert active_topics(claims, TODAY - DAY) == ("go", "tea")


@pytest.mark.parametrize(
    ("given_claim", "given_finding", "proven"),
    [
        (claim(), finding(), True),
        (claim(scope="law"), finding(), False),
        (claim(scope="law", document_ids=("d",)), finding(), False),
        (claim(scope="law"), finding(looked_up=True), False),
        (claim(scope="law", document_ids=("d",)), finding(looked_up=True), True),
        (claim(expires_on=TODAY), finding(), True),
        (claim(expires_on=TODAY - DAY), finding(), False),
        (
            claim(scope="law", expires_on=TODAY - DAY),
            finding(verified=False),
            True,
        ),  # refusing needs no proof
        (claim(scope="law"), finding("another"), True),
    ],
)
def test_what_may_be_found_verified(given_claim: CredentialClaim, given_finding: ClaimFinding, proven: bool):
    assert strictly_unproven([given_claim], [given_finding], TODAY) == (() if proven else (given_claim.id,))


names = st.sampled_from(["a", "b", "c"])
claims = st.builds(
    claim,
    names,
    st.sampled_from(["law", "tea"]),
    expires_on=st.none() | st.dates(TODAY - 3 * DAY, TODAY + 3 * DAY),
    document_ids=st.sampled_from([(), ("d",)]),
)
findings = st.builds(finding, names, verified=st.booleans(), looked_up=st.booleans())


@given(st.lists(claims, unique_by=lambda claim: claim.id), st.lists(findings, unique_by=lambda f: f.claim_id))
def test_only_verified_claims_can_be_unproven(given_claims, given_findings):
    unproven = set(strictly_unproven(given_claims, given_findings, TODAY))
    verified = {f.claim_id for f in given_findings if f.verdict is ClaimVerdict.VERIFIED}
    assert unproven <= verified & {c.id for c in given_claims}
    assert {c.id for c in given_claims if c.id in verified and is_expired(c, TODAY)} <= unproven


def test_an_approval_as_a_whole_leaves_regulated_fields_open():
    claims = [claim("tea"), claim("old", expires_on=TODAY - DAY), claim("law", "law", document_ids=("d",))]
    assert plain_findings(claims, TODAY) == (finding("tea"), finding("old", verified=False))
