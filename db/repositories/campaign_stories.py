"""The timeline of a campaign as its leader and staff read it: with names, and the text behind each note."""

from typing import Any, Final

from sqlalchemy import Connection, Row, and_, select

from contracts.base import campaign_process_id
from db.tables.people import notes, people
from db.tables.vetting import timeline_entries

DAILY: Final = ("day_opened", "day_closed", "last_day_over", "reminder_failed")


def of(conn: Connection, campaign_id: str) -> list[Row[Any]]:
    """Return what was done and decided, newest first; the days that open and close by themselves left out."""
    process = campaign_process_id(campaign_id)
    lines = (
        select(
            timeline_entries,
            people.c.display_name.label("actor_name"),
            notes.c.body.label("note"),
        )
        .outerjoin(people, people.c.id == timeline_entries.c.actor_id)
        .outerjoin(notes, and_(notes.c.id == timeline_entries.c.note_id, notes.c.process_id == process))
        .where(timeline_entries.c.process_id == process, timeline_entries.c.code.not_in(DAILY))
        .order_by(timeline_entries.c.seq.desc())
    )
    return list(conn.execute(lines))
