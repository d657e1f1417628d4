"""Certificates of who completed a campaign: read by anybody who has the code, hidden by their member."""

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from db.repositories.check_in_records import shifts_of
from db.tables.campaigns import campaigns, settlements
from db.tables.people import people
from domain.campaigns.calendar import date_of
from domain.campaigns.plan import CampaignPlan
from domain.people import PersonStatus

_LEADER = people.alias("leader")


class Certificate(NamedTuple):
    """What a certificate says; its days are the campaign's own calendar days."""

    code: str
    person_id: str
    name: str
    campaign_id: str
    title: str
    leader: str
    first_day: date
    last_day: date
    length_days: int
    days_done: int
    issued_at: datetime
    hidden: bool


def _found() -> Any:
    return (
        select(
            settlements,
            people.c.display_name.label("name"),
            campaigns.c.title,
            campaigns.c.plan,
            _LEADER.c.display_name.label("leader"),
        )
        .join(people, people.c.id == settlements.c.person_id)
        .join(campaigns, campaigns.c.id == settlements.c.campaign_id)
        .join(_LEADER, _LEADER.c.id == campaigns.c.leader_id)
        .where(
            settlements.c.certificate_code.is_not(None),
            settlements.c.completed,
            people.c.status == PersonStatus.ACTIVE.value,
        )
    )


def by_code(conn: Connection, code: str) -> Certificate | None:
    """Return the certificate of that code, hidden or not, None if there is none."""
    row = conn.execute(_found().where(settlements.c.certificate_code == code)).one_or_none()
    return None if row is None else _certificate(conn, row)


def of_person(conn: Connection, person_id: str, limit: int = 100) -> list[Certificate]:
    """Return somebody's certificates, newest first."""
    mine = _found().where(settlements.c.person_id == person_id)
    rows = conn.execute(mine.order_by(settlements.c.settled_at.desc()).limit(limit))
    return [_certificate(conn, row) for row in rows.all()]


def hide(conn: Connection, code: str, hidden: bool, now: datetime) -> None:
    """Hide a certificate from everybody but its member, or show it again. ``now``: wall clock (UTC)."""
    mine = settlements.c.certificate_code == code
    conn.execute(update(settlements).where(mine).values(certificate_hidden_at=now if hidden else None))


def _certificate(conn: Connection, row: Any) -> Certificate:
    plan, shifts = CampaignPlan.model_validate(row.plan), shifts_of(conn, row.campaign_id)
    return Certificate(
        code=row.certificate_code,
        person_id=row.person_id,
        name=row.name,
        campaign_id=row.campaign_id,
        title=row.title,
        leader=row.leader,
        first_day=date_of(plan, 1, shifts),
        last_day=date_of(plan, plan.length_days, shifts),
        length_days=plan.length_days,
        days_done=row.days_done,
        issued_at=row.settled_at,
        hidden=row.certificate_hidden_at is not None,
    )
