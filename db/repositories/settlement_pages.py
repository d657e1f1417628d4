"""One page of the members whose settlement is kept: what the database pays and tells them follows from it."""

from typing import Any

from sqlalchemy import Connection, FromClause, bindparam, select

from contracts.campaigns import BulkInput
from db.repositories.campaign_bulk import Cursor, in_page
from db.statements import gathered, one_of
from db.tables.campaigns import enrolments, settlements
from domain.campaigns.members import Place


def kept(dialect: str) -> FromClause:
    """Return the settlements of a page, as something to select from that is given ``page_values``."""
    return (
        select(settlements)
        .where(
            settlements.c.campaign_id == bindparam("campaign_id"),
            one_of(dialect, settlements.c.person_id, "page"),
            # So that no plan goes through the whole campaign, however few its rows are believed to be.
            settlements.c.person_id > bindparam("after"),
            settlements.c.person_id <= bindparam("end"),
        )
        .subquery("kept")
    )


def page_values(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor) -> dict[str, Any]:
    """Return which page ``kept`` is to select: those who take part, after one person up to another."""
    members = select(enrolments.c.person_id).where(
        *in_page(given, after, end), enrolments.c.status == Place.ACTIVE.value
    )
    return {
        "campaign_id": given.campaign_id,
        "page": gathered(conn, members.order_by(enrolments.c.person_id)),
        "after": after or "",
        "end": end,
    }
