"""Paying the members whose settlement is kept: the database makes these rows of those."""

from functools import lru_cache, reduce
from operator import add
from typing import Any

from sqlalchemy import Connection, FromClause, Integer, String, case, literal, select

from contracts.campaigns import BulkInput
from db.repositories.point_payments import Paying
from db.repositories.settlement_pages import all_points, kept, points_of
from db.statements import Lookups
from domain.points import PaymentReason


def pay(conn: Connection, given: BulkInput, page: dict[str, Any], sums: tuple[int, int] | None) -> None:
    """Pay the members of ``page`` (``page_values``) what their settlement says, each once.

    ``sums``: how many payments that makes, and their points together, where that is known.
    """
    key_prefix = f"{given.process_id}:settlement"
    paying = _paying(conn.dialect.name)
    paying.run(conn, given.campaign_id, page, key_prefix=key_prefix, at=given.at, sums=sums)


@lru_cache(maxsize=2)
def _paying(dialect: str) -> Paying:
    settled = kept(dialect)
    return Paying(dialect, _payments(settled), _of_each(settled))


def _payments(settled: FromClause) -> FromClause:
    """Return a row for each reason for which a member is paid."""
    reasons = [
        select(literal(number, Integer()).label("number"), literal(kind.value, String()).label("reason"))
        for number, kind in enumerate(PaymentReason)
    ]
    kinds = reasons[0].union_all(*reasons[1:]).subquery("kinds")
    amount = case({kind.value: points for kind, points in points_of(settled).items()}, value=kinds.c.reason)
    number = settled.c.number * len(reasons) + kinds.c.number
    return (
        select(number.label("number"), settled.c.person_id, kinds.c.reason, amount.label("amount"))
        .select_from(Lookups(settled, kinds, amount > 0))
        .subquery("payments")
    )


def _of_each(settled: FromClause) -> FromClause:
    """Return how many payments each member gets, and their points together."""
    count = reduce(add, (case((points > 0, 1), else_=0) for points in points_of(settled).values()))
    amount = all_points(settled)
    return (
        select(settled.c.person_id, count.label("count"), amount.label("amount"))
        .where(amount > 0)
        .subquery("each")
    )
