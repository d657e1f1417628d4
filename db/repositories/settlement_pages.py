"""One page of the members whose settlement is kept: what the database pays and tells them follows from it."""

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, String, bindparam, func, select

from contracts.campaigns import BulkInput
from db.repositories.campaign_bulk import Cursor, in_page
from db.statements import Lookups, gathered, one_of
from db.tables.campaigns import enrolments, settlements
from domain.campaigns.members import Place
from domain.points import PaymentReason


def kept(dialect: str) -> FromClause:
    """Return the settlements of a page, as something to select from that is given ``page_values``.

    With each comes a ``number``, which tells it from the others of the page.
    """
    person_id = settlements.c.person_id
    if dialect == "postgresql":
        found = select(settlements, func.row_number().over(order_by=person_id).label("number")).where(
            one_of(dialect, person_id, "page")
        )
    else:
        # Their places in the page number them, and SQLite need not sort them to count them.
        member = func.json_each(bindparam("page", type_=String())).table_valued("key", "value", name="member")
        each = Lookups(member, settlements, person_id == member.c.value)
        found = select(settlements, member.c.key.label("number")).select_from(each)
    return found.where(
        settlements.c.campaign_id == bindparam("campaign_id"),
        # So that no plan goes through the whole campaign, however few its rows are believed to be.
        person_id > bindparam("after"),
        person_id <= bindparam("end"),
    ).subquery("kept")


def points_of(settled: FromClause) -> dict[PaymentReason, ColumnElement[int]]:
    """Return what is paid for each reason: columns of ``settlements``, or of what is ``kept`` of them."""
    return {kind: settled.c[f"{kind.value}_points"] for kind in PaymentReason}


def all_points(settled: FromClause) -> ColumnElement[int]:
    """Return the points of all reasons together."""
    return reduce(add, points_of(settled).values())


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
