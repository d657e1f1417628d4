"""What staff read and note beside the process: reviews, earlier applications, violations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, literal, select, tuple_, update

from contracts.base import application_process_id
from db.statements import insert_ignore
from db.tables.people import leaders, notes, people
from db.tables.vetting import applications, credential_claims, reviews, timeline_entries, violations
from domain.people import PersonStatus
from domain.vetting import ProbationDecision, ReviewDecision
from domain.vetting.desk import Verdict, ViolationKind

_DECISIONS = [
    *(f"review_{decision.value}" for decision in ReviewDecision),
    *(f"probation_{decision.value}" for decision in ProbationDecision),
]


def has_decided(conn: Connection, application_id: str, person_id: str) -> bool:
    """Tell whether that person has decided anything about that application before."""
    return (
        conn.execute(
            select(timeline_entries.c.seq)
            .where(
                timeline_entries.c.process_id == application_process_id(application_id),
                timeline_entries.c.actor_id == person_id,
                timeline_entries.c.code.in_(_DECISIONS),
            )
            .limit(1)
        ).first()
        is not None
    )


def has_reviewed(conn: Connection, application_id: str, number: int, person_id: str) -> bool:
    """Tell whether that person has given an opinion in round ``number``."""
    own = select(reviews.c.id).where(
        reviews.c.application_id == application_id,
        reviews.c.round == number,
        reviews.c.reviewer_id == person_id,
    )
    return conn.execute(own).first() is not None


def given_reviews(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    """Return every review of an application, oldest first, with ``reviewer_name`` and ``note``."""
    return conn.execute(
        select(reviews, people.c.display_name.label("reviewer_name"), notes.c.body.label("note"))
        .outerjoin(people, people.c.id == reviews.c.reviewer_id)
        .outerjoin(notes, notes.c.id == reviews.c.note_id)
        .where(reviews.c.application_id == application_id)
        .order_by(reviews.c.round, reviews.c.decided_at, reviews.c.id)
    ).all()


def earlier(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    """Return the same person's other handed-in applications, newest first, with ``applicant_name``."""
    person = select(applications.c.person_id).where(applications.c.id == application_id).scalar_subquery()
    return conn.execute(
        select(applications, people.c.display_name.label("applicant_name"))
        .join(people, people.c.id == applications.c.person_id)
        .where(
            applications.c.person_id == person,
            applications.c.id != application_id,
            applications.c.submitted_at.is_not(None),
        )
        .order_by(applications.c.id.desc())
        .limit(100)
    ).all()


def report_violation(
    conn: Connection,
    *,
    violation_id: str,
    application_id: str,
    person_id: str,
    kind: ViolationKind,
    occurred_at: datetime,
    reported_by: str,
    note_id: str | None,
    now: datetime,
) -> None:
    """Note a violation as reported; one that is there already stays as it is."""
    row = {
        "id": violation_id,
        "application_id": application_id,
        "person_id": person_id,
        "kind": kind.value,
        "verdict": Verdict.REPORTED.value,
        "occurred_at": occurred_at,
        "reported_by": reported_by,
        "decided_by": None,
        "note_id": note_id,
        "created_at": now,
    }
    insert_ignore(conn, violations, [row], conflict=["id"])


def violation(conn: Connection, application_id: str, violation_id: str) -> Row[Any] | None:
    """Return a violation noted with that application."""
    return conn.execute(
        select(violations).where(
            violations.c.id == violation_id, violations.c.application_id == application_id
        )
    ).one_or_none()


def settle_violation(conn: Connection, violation_id: str, verdict: Verdict, decided_by: str) -> bool:
    """Confirm or dismiss a violation that is only reported; False if it was settled otherwise."""
    settled = conn.execute(
        update(violations)
        .where(
            violations.c.id == violation_id,
            violations.c.verdict.in_([Verdict.REPORTED.value, verdict.value]),
        )
        .values(verdict=verdict.value, decided_by=decided_by)
    )
    return settled.rowcount == 1


def noted_violations(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    """Return the violations noted with an application, oldest first, with the text of their notes."""
    return conn.execute(
        select(violations, notes.c.body.label("note"))
        .outerjoin(notes, notes.c.id == violations.c.note_id)
        .where(violations.c.application_id == application_id)
        .order_by(violations.c.created_at, violations.c.id)
    ).all()


class Leader(NamedTuple):
    """A certified leader as everyone may see one; ``claims`` are scope and expiry of what was verified.

    ``since`` is of the process's own clock, ``recorded_at`` of the wall's: they differ where a process was
    moved on to try it out.
    """

    person_id: str
    display_name: str
    since: datetime
    recorded_at: datetime
    tier: str
    clock_offset_seconds: float
    claims: tuple[Row[Any], ...]


class LeaderPlace(NamedTuple):
    """Where a page of leaders ended: when its last one was certified (UTC), and who that is."""

    since: datetime
    person_id: str


def certified_leaders(conn: Connection, after: LeaderPlace | None, limit: int) -> list[Leader]:
    """Return up to ``limit`` certified leaders with a usable account after that place, the newest first."""
    found = (
        select(leaders, people.c.display_name, applications.c.clock_offset_seconds)
        .join(people, people.c.id == leaders.c.person_id)
        .join(applications, applications.c.id == leaders.c.application_id)
        .where(people.c.status == PersonStatus.ACTIVE.value)
        .order_by(leaders.c.since.desc(), leaders.c.person_id.desc())
        .limit(limit)
    )
    if after is not None:
        place = tuple_(
            literal(after.since, leaders.c.since.type), literal(after.person_id, leaders.c.person_id.type)
        )
        found = found.where(tuple_(leaders.c.since, leaders.c.person_id) < place)
    rows = conn.execute(found).all()
    claims: dict[str, list[Row[Any]]] = {row.application_id: [] for row in rows}
    verified = conn.execute(
        select(credential_claims).where(
            credential_claims.c.application_id.in_(list(claims)), credential_claims.c.verified_at.is_not(None)
        )
    )
    for claim in verified:
        claims[claim.application_id].append(claim)
    recorded = _recorded(conn, list(claims))
    return [
        Leader(
            row.person_id,
            row.display_name,
            row.since,
            recorded.get(application_process_id(row.application_id), row.since),
            row.tier,
            row.clock_offset_seconds,
            tuple(claims[row.application_id]),
        )
        for row in rows
    ]


def _recorded(conn: Connection, application_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when the wall's clock saw each of these processes certify, by the id of the process."""
    entry = timeline_entries.c
    processes = [application_process_id(own) for own in application_ids]
    found = select(entry.process_id, entry.recorded_at).where(
        entry.process_id.in_(processes), entry.code == "certified"
    )
    return {row.process_id: row.recorded_at for row in conn.execute(found)}
