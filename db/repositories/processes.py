"""What every process keeps beside its projection: the state that it reached, and its timeline."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from db.statements import insert_ignore, upsert
from db.tables.vetting import process_states, timeline_entries
from domain.process import Entry

# Below this a difference between process clock and wall clock is waiting, not skipping.
CLOCK_TOLERANCE = timedelta(seconds=5)


def reached(conn: Connection, process_id: str) -> Row[Any] | None:
    """Return the last state that was written, with its ``run_id`` and ``revision``."""
    found = select(process_states).where(process_states.c.process_id == process_id)
    return conn.execute(found).one_or_none()


def write_state(conn: Connection, process_id: str, run_id: str, revision: int, state: dict[str, Any]) -> None:
    """Keep ``state``: a worker that lost its memory adopts it."""
    row = {"process_id": process_id, "run_id": run_id, "revision": revision, "state": state}
    upsert(conn, process_states, [row], conflict=["process_id"])


def clock_offset(row: Row[Any], at: datetime, now: datetime) -> float:
    """Return by how many seconds the clock of the process behind ``row`` runs ahead; it never falls back.

    ``at`` is the process's time, ``now`` the wall clock (UTC).
    """
    ahead = at - now
    skipped = ahead.total_seconds() if ahead > CLOCK_TOLERANCE else 0.0
    return max(float(row.clock_offset_seconds), skipped)


def write_timeline(conn: Connection, process_id: str, entries: Iterable[Entry], now: datetime) -> None:
    """Add lines to the timeline, once each. ``now`` is the wall clock (UTC)."""
    rows = [
        {
            "process_id": process_id,
            "seq": entry.seq,
            "at": entry.at,
            "recorded_at": now,
            "code": entry.code,
            "actor_id": entry.actor_id,
            "detail": entry.detail,
            "note_id": entry.note_id,
        }
        for entry in entries
    ]
    insert_ignore(conn, timeline_entries, rows)


def timeline(conn: Connection, process_id: str) -> list[Row[Any]]:
    """Return the timeline of a process, oldest first."""
    lines = select(timeline_entries).where(timeline_entries.c.process_id == process_id)
    return list(conn.execute(lines.order_by(timeline_entries.c.seq)))
