"""Certified leaders as everybody sees them: by topics that hold today, not by followers."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.schemas.ballots import LeaderOut
from api.services.vetting import process_now
from db.repositories import review_desk
from db.repositories.review_desk import Leader, LeaderPlace
from db.repositories.vetting import claim_of
from domain.credentials import active_topics


def certified(conn: Connection, after: list[Any] | None, limit: int) -> list[Leader]:
    """Read up to ``limit`` leaders, the newest first, from after the place that a cursor holds."""
    place = None if after is None else LeaderPlace(datetime.fromisoformat(after[0]), str(after[1]))
    return review_desk.certified_leaders(conn, place, limit)


def place_of(leader: Leader) -> list[str]:
    """Return the place of a leader in the list, as a cursor holds it."""
    return [leader.since.isoformat(), leader.person_id]


def out(leader: Leader) -> LeaderOut:
    """Return a leader as everybody is told of one.

    Leaders of many processes stand in one list, so ``since`` is of everybody's calendar: of a process whose
    clock was moved on to try it out, when it was certified, not the day that it took it for.
    """
    return LeaderOut(
        person_id=leader.person_id,
        display_name=leader.display_name,
        topics=list(active_topics(map(claim_of, leader.claims), process_now(leader).date())),
        since=leader.recorded_at,
        tier=leader.tier,
    )
