"""The second reviewer's independence: what staff are told of opinions in a round that is under way."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from api.schemas.applications import OPINION_GIVEN, EntryOut
from api.security.gate import Actor
from api.services.vetting import LEADS
from db.repositories import review_desk
from domain.people import Role
from domain.vetting import Stage
from domain.vetting.independence import opinions_hidden


@dataclass(frozen=True, slots=True)
class Round:
    """The round of review that an application is in, as one of the staff may see it."""

    number: int
    hidden: bool


def round_of(conn: Connection, row: Row[Any], actor: Actor) -> Round:
    """Return the round that ``row`` (of ``applications``) is in, and whether its opinions are hidden."""
    hidden = opinions_hidden(
        Stage(row.stage),
        may_review=actor.has(Role.REVIEWER),
        is_lead=actor.has(*LEADS),
        has_given=review_desk.has_reviewed(conn, row.id, row.round, actor.person_id),
    )
    return Round(row.round, hidden)


def independent(entries: list[EntryOut], now: Round) -> list[EntryOut]:
    """Return a timeline whose opinions of the present round, where hidden, say only that they were given."""
    if not now.hidden:
        return entries
    return [_masked(entry) if _is_opinion_of(entry, now.number) else entry for entry in entries]


def _is_opinion_of(entry: EntryOut, number: int) -> bool:
    return entry.code.startswith("review_") and entry.detail.get("round") == number


def _masked(entry: EntryOut) -> EntryOut:
    return entry.model_copy(
        update={"code": OPINION_GIVEN, "detail": {"round": entry.detail["round"]}, "note": None}
    )
