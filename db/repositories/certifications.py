"""Certifications of one person: the applications that led to a time as leader, and what was verified."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from contracts.base import application_process_id
from db.tables.people import leaders
from db.tables.vetting import applications, credential_claims, timeline_entries
from domain.vetting.standing import CODES


class Led(NamedTuple):
    """An application with the lines of its timeline that begin or end a time as leader, oldest first.

    ``tier`` is None for who is not certified through it; ``claims`` are what was verified.
    """

    application_id: str
    headline: str
    probation_ends_at: datetime | None
    clock_offset_seconds: float
    tier: str | None
    entries: Sequence[Row[Any]]
    claims: Sequence[Row[Any]]


def of_person(conn: Connection, person_id: str, limit: int = 100) -> list[Led]:
    """Return the applications of somebody that came as far as probation, newest first."""
    found = (
        select(applications, leaders.c.tier)
        .outerjoin(leaders, leaders.c.application_id == applications.c.id)
        .where(applications.c.person_id == person_id, applications.c.probation_starts_at.is_not(None))
        .order_by(applications.c.id.desc())
        .limit(limit)
    )
    return [
        Led(
            row.id,
            row.headline,
            row.probation_ends_at,
            row.clock_offset_seconds,
            row.tier,
            _entries(conn, row.id),
            _verified(conn, row.id) if row.tier else (),
        )
        for row in conn.execute(found).all()
    ]


def _entries(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    entry = timeline_entries.c
    mine = select(timeline_entries).where(
        entry.process_id == application_process_id(application_id), entry.code.in_(sorted(CODES))
    )
    return conn.execute(mine.order_by(entry.seq)).all()


def _verified(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    claim = credential_claims.c
    mine = select(credential_claims).where(
        claim.application_id == application_id, claim.verified_at.is_not(None)
    )
    return conn.execute(mine.order_by(claim.scope, claim.id)).all()
