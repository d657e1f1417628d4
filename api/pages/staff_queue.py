"""The lines of the staff's queue, put into the reader's words.

The page is asked for more than any other of the desk, so what its template repeats for each line is
strings and nothing to call.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from api.pages.rendering import Reader
from api.services.vetting import process_now
from db.repositories.review_queue import NO_DEADLINE


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant: for programs, and how far away it is in words."""

    iso: str
    said: str


@dataclass(frozen=True, slots=True)
class Line:
    """An application that waits. ``then`` is what happens at the deadline if nobody does anything."""

    id: str
    applicant: str
    headline: str
    escalated: bool
    flags: list[str]
    stage: str
    round: int
    since: Moment | None
    deadline: Moment | None
    overdue: bool
    then: str
    holder: str | None
    mine: bool


def line(row: Row[Any], reader: Reader, me: str) -> Line:
    """Return a row of ``review_queue.queue`` as ``reader``, the person with the id ``me``, sees it."""
    now = process_now(row)
    return Line(
        id=row.id,
        applicant=row.applicant_name,
        headline=row.headline,
        escalated=row.escalated,
        flags=[reader.word("flag", flag) for flag in row.flags],
        stage=reader.word("stage", row.stage),
        round=row.round,
        since=_moment(row.waiting_since, now, reader),
        deadline=_moment(row.next_deadline, now, reader),
        overdue=row.deadline != NO_DEADLINE and row.deadline < now,
        then=reader.word("if_nothing", row.if_nothing_happens),
        holder=(row.claimant_name or "") if row.claimed_by else None,
        mine=row.claimed_by == me,
    )


def _moment(at: datetime | None, now: datetime, reader: Reader) -> Moment | None:
    return None if at is None else Moment(at.isoformat(), reader.span(at, now))
