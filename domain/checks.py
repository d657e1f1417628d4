"""Automatic checks of an application before staff see it: completeness, duplicates, cool-down, sanctions."""

import hashlib
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from domain.credentials import CredentialClaim, is_expired, is_regulated
from domain.vetting import Refusal


class Missing(StrEnum):
    """What an application still lacks before it can be submitted."""

    HEADLINE = "headline"
    BIO = "bio"
    STATEMENT = "statement"
    TAGS = "tags"
    CLAIMS = "claims"
    IDENTITY_DOCUMENT = "identity_document"
    CONTENT_SAMPLE = "content_sample"
    REGULATED_DOCUMENT = "regulated_document"


class Flag(StrEnum):
    """What reviewers are told; a flag never decides by itself."""

    DUPLICATE_DOCUMENT = "duplicate_document"
    DUPLICATE_LINK = "duplicate_link"
    EARLIER_REJECTION = "earlier_rejection"
    EARLIER_FRAUD = "earlier_fraud"
    EARLIER_VIOLATION = "earlier_violation"
    REGULATED_SCOPE = "regulated_scope"
    EXPIRED_CLAIM = "expired_claim"


class Submission(BaseModel):
    """What the completeness check looks at."""

    model_config = ConfigDict(frozen=True)

    headline: str
    bio: str
    statement: str
    tags: tuple[str, ...]
    links: tuple[str, ...]
    claims: tuple[CredentialClaim, ...]
    document_kinds: tuple[str, ...]


class Background(BaseModel):
    """What is known about the applicant from elsewhere."""

    model_config = ConfigDict(frozen=True)

    reapply_after: datetime | None = None
    sanctioned: bool = False
    other_application_open: bool = False
    flags: tuple[Flag, ...] = ()


MINIMUM_BIO = 20
MINIMUM_STATEMENT = 50
"""Characters below which staff could not judge an applicant (the statement says why this person, here)."""


def link_key(link: str) -> str:
    """Return 64 hexadecimal digits that are equal for two spellings of one address.

    The scheme, ``www.``, case of the host, a closing slash, the fragment, and what a query says about
    the way there (``utm_…``) do not tell two pages apart.
    """
    try:
        parts = urlsplit(link.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return hashlib.sha256(link.strip().encode()).hexdigest()
    said = sorted(pair for pair in parts.query.split("&") if pair and not pair.startswith("utm_"))
    query = f"?{'&'.join(said)}" if said else ""
    return hashlib.sha256(f"{host}{parts.path.rstrip('/')}{query}".encode()).hexdigest()


def missing(submission: Submission) -> tuple[Missing, ...]:
    """Return what the application lacks, in the order of the form; empty when it can be submitted."""
    lacks = {
        Missing.HEADLINE: not submission.headline.strip(),
        Missing.BIO: len(submission.bio.strip()) < MINIMUM_BIO,
        Missing.STATEMENT: len(submission.statement.strip()) < MINIMUM_STATEMENT,
        Missing.TAGS: not submission.tags,
        Missing.CLAIMS: not submission.claims,
        Missing.IDENTITY_DOCUMENT: "identity" not in submission.document_kinds,
        Missing.CONTENT_SAMPLE: not submission.links and "sample" not in submission.document_kinds,
        Missing.REGULATED_DOCUMENT: any(
            is_regulated(claim.scope) and not claim.document_ids for claim in submission.claims
        ),
    }
    return tuple(item for item, lacking in lacks.items() if lacking)


def barred(background: Background, now: datetime) -> Refusal | None:
    """Return why this person may not submit now, or None."""
    if background.other_application_open:
        return Refusal.OTHER_APPLICATION_OPEN
    if background.sanctioned:
        return Refusal.SANCTIONED
    if background.reapply_after is not None and now < background.reapply_after:
        return Refusal.COOL_DOWN
    return None


def flags(submission: Submission, background: Background, now: datetime) -> tuple[Flag, ...]:
    """Return what reviewers should know, sorted; ``now`` tells which claims have lapsed."""
    found = set(background.flags)
    if any(is_regulated(claim.scope) for claim in submission.claims):
        found.add(Flag.REGULATED_SCOPE)
    if any(is_expired(claim, now.date()) for claim in submission.claims):
        found.add(Flag.EXPIRED_CLAIM)
    return tuple(sorted(found))
