"""What a check-in's note says with ``@``: friends are mentioned, addresses are invited.

The check-in stands whatever becomes of that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DataError, IntegrityError

from api.inputs import Email
from api.pagination import Page, Paging
from api.problems import STATUS_OF, Problem
from api.schemas.applications import PersonOut
from api.schemas.enrolments import CheckInOut, InvitedOut, MentioningOut, MentionOut, NotePiece
from api.services import invitation_mails
from db.repositories import enrolments, mentions
from db.repositories import invitation_mails as mailed
from domain.campaigns.mentions import (
    Mention,
    MentionOutcome,
    addresses_in,
    names_in,
    pieces,
    resolved,
    signs,
)

INVITED = "invited"


class Outcomes(NamedTuple):
    """What became of the ``@`` of a note: names, and addresses each with ``invited`` or why not."""

    named: list[Mention]
    invited: list[tuple[str, str]]


log: Any = structlog.get_logger("kameng.api")
_ADDRESS: TypeAdapter[str] = TypeAdapter(Email)


def with_mentions(
    conn: Connection, campaign_id: str, author_id: str, note: str, done: CheckInOut, now: datetime
) -> CheckInOut:
    """Return the answer to a check-in that has just been counted, with whom its note mentions and invites.

    Everything happens in the caller's transaction; what goes wrong here undoes nothing of the check-in.
    """
    try:
        with conn.begin_nested():
            return _written(conn, campaign_id, author_id, note, done, now)
    except (IntegrityError, DataError, LookupError, ValueError) as error:
        log.warning("mentions_not_taken", error=type(error).__name__)
        return done


def _written(
    conn: Connection, campaign_id: str, author_id: str, note: str, done: CheckInOut, now: datetime
) -> CheckInOut:
    found = signs(note)
    if not found:
        return done
    known = mentions.called(conn, campaign_id, names_in(found))
    named = resolved(found, known, author_id)
    mentions.record(conn, done.id, campaign_id, done.day, author_id, named)
    told = [
        MentionOut(
            name=one.name,
            outcome=one.outcome,
            person=PersonOut(id=one.person_id, display_name=one.display_name) if one.person_id else None,
        )
        for one in named
    ]
    invited = [
        _invited(conn, campaign_id, author_id, address, done.id, now) for address in addresses_in(found)
    ]
    return done.model_copy(update={"mentions": tuple(told), "invited": tuple(invited)})


def _invited(
    conn: Connection, campaign_id: str, author_id: str, address: str, check_in_id: str, now: datetime
) -> InvitedOut:
    """Invite an address of a note, with the limits of every invitation by mail."""
    try:
        checked = _ADDRESS.validate_python(address)
        made = invitation_mails.invite(conn, campaign_id, author_id, checked, "", now, check_in_id)
    except ValidationError:
        return InvitedOut(email=address, outcome="validation_failed")
    except Problem as problem:
        return InvitedOut(email=address, outcome=problem.code)
    return InvitedOut(email=address, outcome=INVITED, invitation_id=made.id)


def told_again(conn: Connection, done: CheckInOut) -> CheckInOut:
    """Return the answer to a check-in that was sent again, with what its note has done."""
    named = [
        MentionOut(
            name=row.name,
            outcome=MentionOutcome.MENTIONED,
            person=PersonOut(id=row.person_id, display_name=row.display_name),
        )
        for row in mentions.of_check_ins(conn, [done.id]).get(done.id, [])
    ]
    invited = [
        InvitedOut(email=row.email, outcome=INVITED, invitation_id=row.id)
        for row in mailed.of_check_in(conn, done.id)
        if row.email is not None
    ]
    return done.model_copy(update={"mentions": tuple(named), "invited": tuple(invited)})


def codes_of(done: CheckInOut) -> str:
    """Return what became of the addresses in a note, in their order, for the address of a page.

    The addresses themselves stay out of it.
    """
    return ".".join(one.outcome for one in done.invited)


def outcomes(conn: Connection, campaign_id: str, author_id: str, check_in_id: str, codes: str) -> Outcomes:
    """Return once more what the note of an own check-in has done, ``codes`` being those of its addresses."""
    found = signs(mentions.own_note(conn, campaign_id, author_id, check_in_id))
    named = resolved(found, mentions.called(conn, campaign_id, names_in(found)), author_id)
    told = {one.person_id for one in mentions.of_check_ins(conn, [check_in_id]).get(check_in_id, [])}
    addresses, outcome = addresses_in(found), codes.split(".")
    known = {INVITED, "validation_failed", *STATUS_OF}
    if len(outcome) != len(addresses) or not known.issuperset(outcome):
        outcome = []
    return Outcomes(
        [one for one in named if one.person_id is None or one.person_id in told],
        list(zip(addresses, outcome, strict=False)),
    )


def mentioning(conn: Connection, campaign_id: str, person_id: str, paging: Paging) -> Page[MentioningOut]:
    """Return a page of the notes that mention somebody, newest first. Raises ``Problem``."""
    if enrolments.get(conn, campaign_id, person_id) is None:
        raise Problem("not_enrolled")
    before = str(paging.after[0]) if paging.after else None
    found = mentions.mentioning(conn, campaign_id, person_id, before, paging.fetch)
    shown, cursor = paging.cut(found, lambda one: (one.id,))
    return Page(items=shown_notes(conn, shown), next_cursor=cursor)


def latest(conn: Connection, campaign_id: str, person_id: str, number: int) -> list[MentioningOut]:
    """Return the newest notes that mention somebody."""
    return shown_notes(conn, mentions.mentioning(conn, campaign_id, person_id, None, number))


def shown_notes(conn: Connection, rows: Sequence[Row[Any]]) -> list[MentioningOut]:
    """Return notes as they are shown: mentions stand out, invited addresses are not shown whole."""
    named = mentions.of_check_ins(conn, {row.check_in_id for row in rows})
    return [
        MentioningOut(
            author=PersonOut(id=row.author_id, display_name=row.display_name),
            day=row.day,
            at=row.at,
            note=[
                NotePiece(text=piece.text, person_id=piece.person_id)
                for piece in pieces(
                    row.note, [(one.name, one.person_id) for one in named.get(row.check_in_id, [])]
                )
            ],
        )
        for row in rows
    ]
