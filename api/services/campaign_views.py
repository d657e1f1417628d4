"""Campaigns as they are read: what the row and the counts of its members say, in the reader's language."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from api.schemas.applications import PersonOut
from api.schemas.campaigns import CampaignOut, CampaignStatusOut, CampaignSummary, DayOut, MetricsOut
from api.security.gate import Actor
from api.services.campaigns import MANAGERS, existing
from api.services.reminder_hours import reminder_hours
from api.services.vetting import process_now
from contracts.campaigns import CampaignView
from db.repositories import campaign_figures, enrolments
from db.repositories.check_in_records import shifts_of
from domain.campaigns.calendar import date_of, local_day
from domain.campaigns.invitations import warnings
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rewards import liability
from domain.campaigns.terms import OPEN_STATUSES, Status
from locales import word

PUBLIC = frozenset({*OPEN_STATUSES, Status.SETTLING, Status.SETTLED})
"""What members may see of somebody else's campaigns: those that were approved."""


def status_out(view: CampaignView, locale: str) -> CampaignStatusOut:
    """Return what the process answered, with what happens next in the reader's language."""
    return CampaignStatusOut(
        **view.model_dump(exclude={"campaign_id", "revision", "closed_through"}),
        id=view.campaign_id,
        if_nothing_happens_text=_next(locale, view.if_nothing_happens.value),
    )


def _next(locale: str, code: str) -> str:
    return word(locale, "campaign_if_nothing", code)


_STATUS_FIELDS = (
    "id",
    "status",
    "waiting_on",
    "waiting_since",
    "next_deadline",
    "if_nothing_happens",
    "day",
    "day_closes_at",
    "length_days",
    "starts_at",
    "ends_at",
    "reserved",
    "reasons",
)


def summary(row: Row[Any], members: int, locale: str) -> CampaignSummary:
    """Return a campaign as it stands in a list."""
    return CampaignSummary(**_summary_fields(row, members, locale))


def _summary_fields(row: Row[Any], members: int, locale: str) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _STATUS_FIELDS},
        "if_nothing_happens_text": _next(locale, row.if_nothing_happens),
        "now": process_now(row),
        **dates_of(row),
        "title": row.title,
        "summary": row.summary,
        "template": row.template,
        "leader": PersonOut(id=row.leader_id, display_name=row.leader_name),
        "members": members,
        "capacity": row.plan["capacity"],
    }


def dates_of(row: Row[Any]) -> dict[str, date | None]:
    """Return the dates of the first and the last day, None before there are any; ``row``: plan and instants.

    The last one ends in the night that follows it.
    """
    if row.starts_at is None or row.ends_at is None:
        return {"first_date": None, "last_date": None}
    plan = CampaignPlan.model_validate(row.plan)
    return {
        "first_date": local_day(plan, row.starts_at),
        "last_date": local_day(plan, row.ends_at - timedelta(seconds=1)),
    }


def may_see(conn: Connection, row: Row[Any], actor: Actor) -> bool:
    """Tell whether ``actor`` may read a campaign: its leader and staff always, others once it is approved.

    One that was cancelled stays open to those who had a place in it: what they did and were paid is there.
    """
    if row.leader_id == actor.person_id or actor.has(*MANAGERS) or row.status in PUBLIC:
        return True
    return row.status == Status.CANCELLED and enrolments.get(conn, row.id, actor.person_id) is not None


def whole(conn: Connection, campaign_id: str, actor: Actor) -> CampaignOut | None:
    """Read a campaign as ``actor`` may see it, None if that is not at all. Raises ``Problem``."""
    row = existing(conn, campaign_id)
    if not may_see(conn, row, actor):
        return None
    plan = CampaignPlan.model_validate(row.plan)
    own = row.leader_id == actor.person_id
    return CampaignOut(
        **_summary_fields(row, campaign_figures.members(conn, [row.id]).get(row.id, 0), actor.locale),
        description=row.description,
        task=row.task,
        plan=plan,
        liability=liability(plan),
        warnings=[code.value for code in warnings(plan)],
        edit_version=row.edit_version,
        editable=own and row.status == Status.DRAFT.value,
        reminder_hours=reminder_hours(conn, row),
        created_at=row.created_at,
    )


def listed(conn: Connection, rows: list[Row[Any]], locale: str) -> list[CampaignSummary]:
    """Return rows as summaries, with the number of their members."""
    members = campaign_figures.members(conn, [row.id for row in rows])
    return [summary(row, members.get(row.id, 0), locale) for row in rows]


def metrics(conn: Connection, campaign_id: str) -> MetricsOut:
    """Return the live numbers of a campaign."""
    row = existing(conn, campaign_id)
    plan, shifts = CampaignPlan.model_validate(row.plan), shifts_of(conn, campaign_id)
    figures = campaign_figures.places(conn, campaign_id)
    days = [
        DayOut(
            day=one.day,
            on=date_of(plan, one.day, shifts),
            opened_at=one.opened_at,
            closed_at=one.closed_at,
            active=one.active if one.closed_at else figures.active,
            checked_in=one.checked_in,
            missed=one.missed,
        )
        for one in campaign_figures.days(conn, campaign_id)
    ]
    today = next((one.checked_in for one in days if one.day == row.day), 0)
    return MetricsOut(
        members=figures.active,
        waiting=figures.waiting,
        left=figures.left,
        checked_in_today=today,
        average_streak=round(figures.average_streak, 2),
        days=days,
    )
