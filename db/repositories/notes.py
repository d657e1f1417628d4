"""Notes: the free text of a decision or an appeal, kept beside a process that carries only its id."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete

from db.statements import insert_ignore
from db.tables.people import notes


class NoteKind(StrEnum):
    """What a note says."""

    REVIEW = "review"
    PROBATION = "probation"
    APPEAL = "appeal"
    APPEAL_DECISION = "appeal_decision"
    VIOLATION = "violation"
    CAMPAIGN = "campaign"
    INVITATION = "invitation"


def keep(
    conn: Connection,
    note_id: str,
    *,
    process_id: str,
    author_id: str,
    kind: NoteKind,
    body: str,
    now: datetime,
) -> None:
    """Store a note under ``note_id``; one that is there already stays as it is. ``now``: wall clock."""
    row = {
        "id": note_id,
        "process_id": process_id,
        "author_id": author_id,
        "kind": kind.value,
        "body": body,
        "created_at": now,
    }
    insert_ignore(conn, notes, [row], conflict=["id"])


def drop(conn: Connection, note_id: str) -> None:
    """Remove a note whose decision was refused."""
    conn.execute(delete(notes).where(notes.c.id == note_id))
