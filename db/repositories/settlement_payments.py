"""Paying the members whose settlement is kept: the database makes these rows of those."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, String, case, literal, select

from contracts.campaigns import BulkInput
from db.repositories.point_payments import Paying
from db.repositories.settlement_pages import kept
from domain.points import PaymentReason


def pay(conn: Connection, given: BulkInput, page: dict[str, Any]) -> None:
    """Pay the members of ``page`` (``page_values``) what their settlement says, each once."""
    key_prefix = f"{given.process_id}:settlement"
    _paying(conn.dialect.name).run(conn, given.campaign_id, page, key_prefix=key_prefix, at=given.at)


@lru_cache(maxsize=2)
def _paying(dialect: str) -> Paying:
    return Paying(dialect, _payments(kept(dialect)))


def _payments(settled: FromClause) -> FromClause:
    """Return a row for each reason for which a member is paid."""
    reasons = [select(literal(kind.value, String()).label("reason")) for kind in PaymentReason]
    kinds = reasons[0].union_all(*reasons[1:]).subquery("kinds")
    points = {kind.value: settled.c[f"{kind.value}_points"] for kind in PaymentReason}
    amount = case(points, value=kinds.c.reason)
    return (
        select(settled.c.person_id, kinds.c.reason, amount.label("amount"))
        .select_from(settled.join(kinds, amount > 0))
        .subquery("payments")
    )
