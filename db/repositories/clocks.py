"""The time of processes whose clock was skipped ahead, as those see it who only read the database."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from db.tables.ballots import ballots
from db.tables.vetting import applications, process_states
from domain.ballots import BallotStatus
from domain.vetting.state import VettingState


def furthest_of(conn: Connection, person_ids: Iterable[str]) -> dict[str, float]:
    """Return by how many seconds the furthest clock of each person's applications runs ahead."""
    rows = conn.execute(
        select(applications.c.person_id, func.max(applications.c.clock_offset_seconds))
        .where(applications.c.person_id.in_(sorted(set(person_ids))))
        .group_by(applications.c.person_id)
    )
    return {person_id: float(ahead or 0.0) for person_id, ahead in rows}


def ahead_of(conn: Connection, application_id: str) -> float:
    """Return by how many seconds the clock of one application's process runs ahead."""
    ahead = conn.execute(
        select(applications.c.clock_offset_seconds).where(applications.c.id == application_id)
    ).scalar()
    return float(ahead or 0.0)


def is_settled(conn: Connection, process_id: str, now: datetime) -> bool:
    """Tell whether a process has done all that was due at ``now``, the time (UTC) of its own clock."""
    reached = conn.execute(
        select(process_states.c.state).where(process_states.c.process_id == process_id)
    ).scalar()
    if reached is None:
        return True
    state = VettingState.model_validate(reached)
    alarm = state.next_alarm
    return not state.orders and (alarm is None or alarm.at > now)


def set_ahead(conn: Connection, application_id: str, process_id: str, seconds: float) -> None:
    """Note that the clock of an application's process, and of its open ballot, runs ``seconds`` ahead."""
    application = applications.c
    conn.execute(
        update(applications)
        .where(application.id == application_id, application.clock_offset_seconds < seconds)
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
