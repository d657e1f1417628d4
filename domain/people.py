"""People: roles, addresses and names as the community compares them."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    """What a person may do; a person can hold several."""

    MEMBER = "member"
    PROVISIONAL_LEADER = "provisional_leader"
    LEADER = "leader"
    REVIEWER = "reviewer"
    LEAD_REVIEWER = "lead_reviewer"
    CAMPAIGN_MANAGER = "campaign_manager"
    MODERATOR = "moderator"
    ADMIN = "admin"


class PersonStatus(StrEnum):
    """Whether an account can be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


STAFF_ROLES = frozenset(
    {Role.REVIEWER, Role.LEAD_REVIEWER, Role.CAMPAIGN_MANAGER, Role.MODERATOR, Role.ADMIN}
)
SECOND_FACTOR_ROLES = frozenset({Role.REVIEWER, Role.LEAD_REVIEWER, Role.MODERATOR, Role.ADMIN})

LOCALES = ("zh-CN", "en")
DEFAULT_LOCALE = "zh-CN"
DEFAULT_TIME_ZONE = "Asia/Shanghai"

CERTIFIED_ROLES = frozenset({Role.PROVISIONAL_LEADER, Role.LEADER})
"""Roles that come from vetting alone; nobody gives them by hand."""


class ConflictKind(StrEnum):
    """Why a reviewer may not decide about an applicant."""

    SELF = "self"
    INVITER = "inviter"
    SAME_CIRCLE = "same_circle"
    DECLARED = "declared"


class Person(BaseModel):
    """A person of the community, as every room knows one. All instants are UTC."""

    model_config = ConfigDict(frozen=True)

    id: str
    email: str
    email_normalised: str
    display_name: str
    locale: str
    time_zone: str
    status: PersonStatus
    good_standing: bool
    list_mail: bool
    invited_by: str | None
    joined_at: datetime
    created_at: datetime


_DOTLESS_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def normalise_email(email: str) -> str:
    """Return the form under which two spellings of one mailbox are equal.

    Case is folded, ``+tag`` is cut, and dots go where the provider ignores them, so that one
    person does not count as several. For comparing only: mail goes to the address as typed.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())
    local, _, host = folded.strip().rpartition("@")
    # "+tag@host" is all tag: cut, everybody there would be one person.
    local = local.split("+", 1)[0] or local
    if host in _DOTLESS_DOMAINS:
        local, host = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{host}"


def address_hash(email: str) -> str:
    """Return what a mailbox is known by once its address has been deleted, however it is spelled.

    Without a key, because it must still hold after the secret key was changed.
    """
    return hashlib.sha256(b"kameng/address\0" + normalise_email(email).encode()).hexdigest()


def has_control_characters(text: str) -> bool:
    """Tell whether ``text`` holds line breaks or other control characters (unfit for names, subjects)."""
    return _CONTROL.search(text) is not None


def conflict_between(
    reviewer: Person,
    applicant: Person,
    reviewer_circles: Collection[str],
    applicant_circles: Collection[str],
    *,
    declared: bool,
) -> ConflictKind | None:
    """Return why ``reviewer`` may not decide about ``applicant``, or None.

    Nobody decides about oneself, about whom one invited or was invited by, or about a member of the
    same circle; ``declared`` says that either of them has named the other.
    """
    if reviewer.id == applicant.id:
        return ConflictKind.SELF
    if reviewer.id == applicant.invited_by or applicant.id == reviewer.invited_by:
        return ConflictKind.INVITER
    if not set(reviewer_circles).isdisjoint(applicant_circles):
        return ConflictKind.SAME_CIRCLE
    return ConflictKind.DECLARED if declared else None
