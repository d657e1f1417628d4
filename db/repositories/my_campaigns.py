"""The campaigns that somebody takes part in now, each with the own place in it."""

from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, select

from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.terms import OPEN_STATUSES, Status

_SHOWN: Final = sorted(status.value for status in OPEN_STATUSES | {Status.SETTLING})
_IN: Final = (Place.ACTIVE.value, Place.WAITING.value)


def under_way(conn: Connection, person_id: str, limit: int) -> list[Row[Any]]:
    """Return up to ``limit`` campaigns that are not over, those whose day ends first before the others.

    Beside the campaign's own columns a row has ``leader_name``, ``place``, ``streak_so_far``,
    ``last_day_done``, ``friends`` and ``done_on`` (the open day once it is checked in, else null).
    """
    today = and_(
        check_ins.c.campaign_id == campaigns.c.id,
        check_ins.c.day == campaigns.c.day,
        check_ins.c.person_id == person_id,
    )
    found = (
        select(
            campaigns,
            people.c.display_name.label("leader_name"),
            enrolments.c.status.label("place"),
            enrolments.c.streak.label("streak_so_far"),
            enrolments.c.last_day.label("last_day_done"),
            enrolments.c.friends_activated.label("friends"),
            check_ins.c.day.label("done_on"),
        )
        .join(campaigns, campaigns.c.id == enrolments.c.campaign_id)
        .join(people, people.c.id == campaigns.c.leader_id)
        .outerjoin(check_ins, today)
        .where(
            enrolments.c.person_id == person_id,
            enrolments.c.status.in_(_IN),
            campaigns.c.status.in_(_SHOWN),
        )
        .order_by(
            case((campaigns.c.day_closes_at.is_(None), 1), else_=0),
            campaigns.c.day_closes_at,
            campaigns.c.starts_at,
            campaigns.c.id,
        )
        .limit(limit)
    )
    return list(conn.execute(found))
