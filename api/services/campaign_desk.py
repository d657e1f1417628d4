"""Campaigns at the staff desk: what waits for approval by how long it waits, the others newest first."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.pagination import Page, Paging
from api.problems import Problem
from api.schemas.campaigns import CampaignSummary
from api.services import campaign_views
from db.repositories import campaigns
from domain.campaigns.terms import Status


def queue(conn: Connection, status: Status, paging: Paging, locale: str) -> Page[CampaignSummary]:
    """Return a page of campaigns in ``status``. Raises ``Problem`` for another queue's cursor."""
    after = _position(status, paging.after)
    if status is Status.IN_REVIEW:
        rows = campaigns.in_line(
            conn, (datetime.fromisoformat(after[0]), after[1]) if after else None, paging.fetch
        )
    else:
        rows = campaigns.listed(conn, [status], before=after[0] if after else None, limit=paging.fetch)
    shown, cursor = paging.cut(rows, lambda row: [status.value, *_place(status, row)])
    return Page(items=campaign_views.listed(conn, shown, locale), next_cursor=cursor)


def _place(status: Status, row: Any) -> list[str]:
    return [row.waiting_since.isoformat(), row.id] if status is Status.IN_REVIEW else [row.id]


def _position(status: Status, after: list[Any] | None) -> list[str] | None:
    if after is None:
        return None
    if after[0] != status.value:
        raise Problem("cursor_invalid")
    return [str(part) for part in after[1:]]
