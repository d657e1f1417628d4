"""The letter that tells a member what a campaign has come to: made by the database of what is settled."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, Integer, String, bindparam, select

from contracts.campaigns import BulkInput
from db.repositories.campaign_bulk import Cursor, Page, page_end
from db.repositories.mail import RowMail
from db.repositories.settlement_pages import all_points, kept, page_values
from db.tables.campaigns import campaigns
from db.tables.vetting import timeline_entries
from domain.campaigns.plan import CampaignPlan
from domain.mail import MailTemplate


def tell_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue the letter to those of one page who are settled, once each. ``now``: wall clock."""
    end = page_end(conn, given, after, size)
    if end is None:
        return Page(None, 0)
    return Page(end, queue(conn, given, page_values(conn, given, after, end), now))


def queue(conn: Connection, given: BulkInput, page: dict[str, Any], now: datetime) -> int:
    """Queue the letter to the members of ``page`` (``page_values``); return how many are new."""
    title, plan = conn.execute(
        select(campaigns.c.title, campaigns.c.plan).where(campaigns.c.id == given.campaign_id)
    ).one()
    told = {
        "title": title,
        "length_days": CampaignPlan.model_validate(plan).length_days,
        "note_id": _why(conn, given) if given.cancelled else None,
    }
    template = MailTemplate.CAMPAIGN_ENDED_EARLY if given.cancelled else MailTemplate.CAMPAIGN_RESULT
    letter = _letters(conn.dialect.name)
    return letter.queue(conn, given.process_id, given.process_id, template, page | told, now)


def _why(conn: Connection, given: BulkInput) -> str | None:
    """Return the id of the note in which whoever cancelled the campaign says why."""
    cancelled = select(timeline_entries.c.note_id).where(
        timeline_entries.c.process_id == given.process_id, timeline_entries.c.code == "campaign_cancelled"
    )
    return conn.execute(cancelled).scalar_one_or_none()


@lru_cache(maxsize=2)
def _letters(dialect: str) -> RowMail:
    settled = kept(dialect)
    return RowMail(dialect, settled, _letter(settled))


def _letter(settled: FromClause) -> dict[str, Any]:
    return {
        "campaign_id": settled.c.campaign_id,
        "title": bindparam("title", type_=String()),
        "days_done": settled.c.days_done,
        "length_days": bindparam("length_days", type_=Integer()),
        "completed": settled.c.completed,
        "note_id": bindparam("note_id", type_=String()),
        "points": all_points(settled),
        "certificate_code": settled.c.certificate_code,
    }
