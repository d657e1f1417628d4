"""Amnesties of campaigns as staff declare and read them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from api.problems import Problem
from api.schemas.amnesties import AmnestyOut
from api.schemas.applications import PersonOut
from api.services.campaigns import existing
from db.repositories import amnesties
from db.repositories.check_in_records import rules_of
from domain.ids import derived_id


def listed(conn: Connection, campaign_id: str) -> list[AmnestyOut]:
    """Return the amnesties of a campaign, newest first. Raises ``Problem`` where there is none."""
    existing(conn, campaign_id)
    return [
        AmnestyOut(
            number=row.number,
            days=row.days,
            declared_by=_person(row),
            declared_at=row.declared_at,
            reason=row.reason,
            members=row.members,
        )
        for row in amnesties.of_campaign(conn, campaign_id)
    ]


def _person(row: Row[Any]) -> PersonOut | None:
    return None if row.actor_name is None else PersonOut(id=row.declared_by, display_name=row.actor_name)


def declared(conn: Connection, campaign_id: str, update_id: str) -> AmnestyOut:
    """Return the amnesty that the update of that id declared."""
    note_id = derived_id("note", update_id)
    numbers = [row.number for row in amnesties.of_campaign(conn, campaign_id) if row.note_id == note_id]
    found = next((one for one in listed(conn, campaign_id) if one.number in numbers), None)
    if found is None:
        raise Problem("not_found")
    return found


def asking(conn: Connection, campaign_id: str, days: Sequence[int]) -> list[int]:
    """Return those of ``days`` that ask something of members, for an outage given as a span."""
    rest = rules_of(conn, existing(conn, campaign_id)).rest
    return [day for day in days if day not in rest]
