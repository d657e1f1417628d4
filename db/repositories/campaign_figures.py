"""The live numbers of a campaign: members by place, days, who did what today."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select

from db.tables.campaigns import campaign_days, check_ins, enrolments
from domain.campaigns.members import Place


class Places(NamedTuple):
    """How many members are in which place, and the mean of the streaks (days) of those who take part."""

    active: int
    waiting: int
    left: int
    average_streak: float


class Day(NamedTuple):
    """One day: figures of a closed one as they were at its close, of an open one as they are now."""

    day: int
    opened_at: datetime
    closed_at: datetime | None
    active: int
    checked_in: int
    missed: int


def members(conn: Connection, campaign_ids: Sequence[str]) -> dict[str, int]:
    """Return how many take part in each of the campaigns; those without anybody are left out."""
    counts = (
        select(enrolments.c.campaign_id, func.count().label("number"))
        .where(enrolments.c.campaign_id.in_(list(campaign_ids)), enrolments.c.status == Place.ACTIVE.value)
        .group_by(enrolments.c.campaign_id)
    )
    return {row.campaign_id: row.number for row in conn.execute(counts)}


def places(conn: Connection, campaign_id: str) -> Places:
    """Return how many members of a campaign are in which place."""
    rows = conn.execute(
        select(
            enrolments.c.status,
            func.count().label("number"),
            func.coalesce(func.sum(enrolments.c.streak), 0).label("streaks"),
        )
        .where(enrolments.c.campaign_id == campaign_id)
        .group_by(enrolments.c.status)
    )
    found = {row.status: row for row in rows}
    number = {place: found[place.value].number if place.value in found else 0 for place in Place}
    active = number[Place.ACTIVE]
    average = float(found[Place.ACTIVE.value].streaks) / active if active else 0.0
    return Places(active, number[Place.WAITING], number[Place.LEFT] + number[Place.REMOVED], average)


def days(conn: Connection, campaign_id: str) -> list[Day]:
    """Return the days of a campaign so far, oldest first."""
    open_day = and_(campaign_days.c.campaign_id == campaign_id, campaign_days.c.closed_at.is_(None))
    counts = (
        select(check_ins.c.day, func.count().label("number"))
        .join(
            campaign_days,
            (campaign_days.c.campaign_id == check_ins.c.campaign_id)
            & (campaign_days.c.day == check_ins.c.day),
        )
        .where(check_ins.c.campaign_id == campaign_id, open_day)
        .group_by(check_ins.c.day)
    )
    now = {row.day: row.number for row in conn.execute(counts)}
    rows = conn.execute(
        select(campaign_days).where(campaign_days.c.campaign_id == campaign_id).order_by(campaign_days.c.day)
    )
    return [
        Day(
            row.day,
            row.opened_at,
            row.closed_at,
            row.active,
            row.checked_in if row.closed_at else now.get(row.day, 0),
            row.missed,
        )
        for row in rows
    ]
