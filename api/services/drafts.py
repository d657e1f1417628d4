"""Writing an application: begin a draft, and change one that can be edited."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from api.conditional import etag_of
from api.problems import FieldError, Problem
from api.schemas.applications import ApplicationIn, ClaimIn
from api.security.gate import Actor
from db.repositories import applications
from db.repositories.applications import (
    Claim,
    NotEditable,
    OtherApplicationOpen,
    Stale,
    UnknownDocuments,
)
from domain.people import Role
from domain.vetting import Refusal
from locales import translate


def create(conn: Connection, actor: Actor, given: ApplicationIn) -> str:
    """Begin an application and return its id. A person has one under way at a time. Raises ``Problem``."""
    if Role.LEADER in actor.held_roles:
        raise Problem("already_leader")
    try:
        return applications.create(
            conn, actor.person_id, given.profile, _stored(given.claims), datetime.now(UTC)
        )
    except _REFUSED as error:
        raise _told(error, actor.locale) from None


def change(
    conn: Connection, actor: Actor, application_id: str, edit_version: int, given: ApplicationIn
) -> int:
    """Change what ``given`` names in an application that is still as it was read; return its new version.

    Raises ``Problem``.
    """
    claims = _stored(given.claims) if "claims" in given.model_fields_set else None
    try:
        return applications.edit(conn, application_id, edit_version, given.profile, claims, datetime.now(UTC))
    except _REFUSED as error:
        raise _told(error, actor.locale) from None


def _stored(claims: list[ClaimIn]) -> list[Claim]:
    return [Claim(claim.scope, claim.issuer, claim.expires_on, tuple(claim.document_ids)) for claim in claims]


def _told(error: Exception, locale: str) -> Problem:
    """Return what a refused write means to the applicant."""
    if isinstance(error, OtherApplicationOpen):
        return Problem(Refusal.OTHER_APPLICATION_OPEN.value, application_id=error.application_id)
    if isinstance(error, Stale):
        return Problem("edit_conflict", headers={"ETag": etag_of(error.edit_version)})
    if isinstance(error, UnknownDocuments):
        message = translate(locale, "field.document_unknown")
        errors = [
            FieldError(field=f"claims[{number}].document_ids", code="document_unknown", message=message)
            for number in error.positions
        ]
        return Problem("validation_failed", errors=errors)
    return Problem("not_editable")


_REFUSED = (OtherApplicationOpen, NotEditable, Stale, UnknownDocuments)
