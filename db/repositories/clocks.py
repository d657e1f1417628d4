"""The time of processes whose clock was skipped ahead, as those see it who only read the database."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, update

from db.tables.ballots import ballots
from db.tables.campaigns import campaigns
from db.tables.vetting import applications, process_states
from domain.ballots import BallotStatus


def furthest_of(conn: Connection, person_ids: Iterable[str]) -> dict[str, float]:
    """Return by how many seconds the furthest clock of each person's applications runs ahead."""
    rows = conn.execute(
        select(applications.c.person_id, func.max(applications.c.clock_offset_seconds))
        .where(applications.c.person_id.in_(sorted(set(person_ids))))
        .group_by(applications.c.person_id)
    )
    return {person_id: float(ahead or 0.0) for person_id, ahead in rows}


def _projection(process_id: str) -> tuple[Table, str]:
    """Return the table of a process's projection, and the id of its row."""
    kind, _, object_id = process_id.partition("/")
    return (campaigns if kind == "campaign" else applications), object_id


def ahead_of(conn: Connection, process_id: str) -> float:
    """Return by how many seconds the clock of a process runs ahead."""
    table, object_id = _projection(process_id)
    ahead = conn.execute(select(table.c.clock_offset_seconds).where(table.c.id == object_id)).scalar()
    return float(ahead or 0.0)


def is_settled(conn: Connection, process_id: str, now: datetime) -> bool:
    """Tell whether a process has done all that was due at ``now``, the time (UTC) of its own clock."""
    state = conn.execute(
        select(process_states.c.state).where(process_states.c.process_id == process_id)
    ).scalar()
    if state is None:
        return True
    due = any(datetime.fromisoformat(alarm["at"]) <= now for alarm in state["alarms"])
    return not state["orders"] and not due


def set_ahead(conn: Connection, process_id: str, seconds: float) -> None:
    """Note that the clock of a process, and of its open ballot, runs ``seconds`` ahead."""
    table, object_id = _projection(process_id)
    conn.execute(
        update(table)
        .where(table.c.id == object_id, table.c.clock_offset_seconds < seconds)
        .values(clock_offset_seconds=seconds)
    )
    conn.execute(
        update(ballots)
        .where(
            ballots.c.process_id == process_id,
            ballots.c.status == BallotStatus.OPEN.value,
            ballots.c.clock_offset_seconds < seconds,
        )
        .values(clock_offset_seconds=seconds)
    )
