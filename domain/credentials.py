"""Credentials are claims, each with scope, issuer and expiry, and each vetted by itself."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

REGULATED_SCOPES = frozenset({"finance", "education", "medicine", "law"})
"""Fields in which teaching in public takes a proven licence; they need the strict check."""

_REGULATED_WORDS = REGULATED_SCOPES | {"financial", "educational", "medical", "legal"}
_REGULATED_TERMS = ("金融", "财经", "理财", "教育", "医学", "医疗", "法律", "法学")


class ClaimVerdict(StrEnum):
    """What a reviewer found about one claim."""

    VERIFIED = "verified"
    REFUSED = "refused"


class CredentialClaim(BaseModel):
    """What an applicant says to be qualified in: scope (a topic), who issued it, until when."""

    model_config = ConfigDict(frozen=True)

    id: str
    scope: str
    issuer: str
    expires_on: date | None = None
    document_ids: tuple[str, ...] = ()


class ClaimFinding(BaseModel):
    """A reviewer's finding on one claim; ``registry_checked`` says that the issuer's register was asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim_id: str
    verdict: ClaimVerdict
    registry_checked: bool = False


def is_regulated(scope: str) -> bool:
    """Tell whether ``scope`` needs the strict check (finance, education, medicine, law).

    Scopes are free text in either language: "Personal Finance" and "少儿教育" are regulated too.
    """
    folded = unicodedata.normalize("NFKC", scope).casefold()
    words = re.findall(r"[a-z]+", folded)
    return not _REGULATED_WORDS.isdisjoint(words) or any(term in folded for term in _REGULATED_TERMS)


def is_expired(claim: CredentialClaim, today: date) -> bool:
    """Tell whether ``claim`` has lapsed on ``today``; it still holds on its last day."""
    return claim.expires_on is not None and claim.expires_on < today


def active_topics(claims: Iterable[CredentialClaim], today: date) -> tuple[str, ...]:
    """Return the topics of verified ``claims`` that hold today: a lapsed claim pauses its topic only."""
    return tuple(sorted({claim.scope for claim in claims if not is_expired(claim, today)}))


def strictly_unproven(
    claims: Iterable[CredentialClaim], findings: Iterable[ClaimFinding], today: date
) -> tuple[str, ...]:
    """Return the ids of claims that were found verified against the rules.

    An expired claim cannot be verified; a regulated one needs a document and a register look-up.
    """
    by_id = {claim.id: claim for claim in claims}
    wrong = []
    for finding in findings:
        claim = by_id.get(finding.claim_id)
        if claim is None or finding.verdict is not ClaimVerdict.VERIFIED:
            continue
        lax = is_regulated(claim.scope) and not (finding.registry_checked and claim.document_ids)
        if lax or is_expired(claim, today):
            wrong.append(claim.id)
    return tuple(wrong)


def plain_findings(claims: Iterable[CredentialClaim], today: date) -> tuple[ClaimFinding, ...]:
    """Return what an approval as a whole finds on each claim: verified, or refused where it has lapsed.

    Regulated claims are left out: nobody verifies those without saying that the register was asked.
    """
    plain = (claim for claim in claims if not is_regulated(claim.scope))
    return tuple(
        ClaimFinding(
            claim_id=claim.id,
            verdict=ClaimVerdict.REFUSED if is_expired(claim, today) else ClaimVerdict.VERIFIED,
        )
        for claim in plain
    )
