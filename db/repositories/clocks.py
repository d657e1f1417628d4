"""The time of processes whose clock was skipped ahead, as those see it who only read the database."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, union_all, update

from db.repositories.processes import CLOCK_TOLERANCE
from db.tables.ballots import ballots
from db.tables.campaigns import campaigns, enrolments
from db.tables.vetting import applications, process_states, timeline_entries
from domain.ballots import BallotStatus
from domain.clock import Moved


def furthest_of(conn: Connection, person_ids: Iterable[str]) -> dict[str, float]:
    """Return by how many seconds the furthest clock of what each person takes part in runs ahead."""
    ids = sorted(set(person_ids))
    own = select(applications.c.person_id, applications.c.clock_offset_seconds.label("ahead")).where(
        applications.c.person_id.in_(ids)
    )
    joined = (
        select(enrolments.c.person_id, campaigns.c.clock_offset_seconds.label("ahead"))
        .join(campaigns, campaigns.c.id == enrolments.c.campaign_id)
        .where(enrolments.c.person_id.in_(ids))
    )
    clocks = union_all(own, joined).subquery()
    rows = conn.execute(select(clocks.c.person_id, func.max(clocks.c.ahead)).group_by(clocks.c.person_id))
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


def moves_of(conn: Connection, process_id: str) -> list[Moved]:
    """Return how the clock of a process was moved ahead, as its timeline tells; none in production."""
    lines = (
        select(timeline_entries.c.at, timeline_entries.c.recorded_at)
        .where(timeline_entries.c.process_id == process_id)
        .order_by(timeline_entries.c.seq)
    )
    moves: list[Moved] = []
    for at, recorded_at in conn.execute(lines):
        ahead = at - recorded_at
        # What is written a moment after it was decided would look like a clock that falls back.
        if ahead > CLOCK_TOLERANCE and (not moves or ahead > moves[-1].ahead):
            moves.append(Moved(recorded_at, ahead))
    return moves


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
