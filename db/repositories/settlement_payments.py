"""Paying and telling the members whose settlement is kept: the database makes these rows of those."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, reduce
from operator import add
from typing import Any

from sqlalchemy import Connection, FromClause, Integer, String, bindparam, case, literal, select

from contracts.campaigns import BulkInput
from db.repositories.mail import RowMail
from db.repositories.point_payments import Paying
from db.statements import among, one_of
from db.tables.campaigns import settlements
from domain.mail import MailTemplate
from domain.points import PaymentReason

_KINDS = tuple(PaymentReason)


def pay_and_tell(
    conn: Connection,
    given: BulkInput,
    person_ids: Sequence[str],
    told: dict[str, Any],
    now: datetime,
) -> None:
    """Pay these members what their settlement says, and queue the letter that tells it, each once.

    ``told``: the campaign's ``title`` and ``length_days``, and the ``note_id`` of why it was cancelled.
    ``now``: wall clock.
    """
    if not person_ids:
        return
    dialect = conn.dialect.name
    paying, letter = _statements(dialect)
    values = {
        "campaign_id": given.campaign_id,
        "page": among(dialect, person_ids),
        "lowest": min(person_ids),
        "highest": max(person_ids),
    }
    key_prefix = f"{given.process_id}:settlement"
    paying.run(conn, given.campaign_id, values, key_prefix=key_prefix, at=given.at)
    template = MailTemplate.CAMPAIGN_ENDED_EARLY if given.cancelled else MailTemplate.CAMPAIGN_RESULT
    letter.queue(conn, given.process_id, given.process_id, template, values | told, now)


@lru_cache(maxsize=2)
def _statements(dialect: str) -> tuple[Paying, RowMail]:
    kept = (
        select(settlements)
        .where(
            settlements.c.campaign_id == bindparam("campaign_id"),
            one_of(dialect, settlements.c.person_id, "page"),
            # So that no plan goes through the whole campaign, however few its rows are believed to be.
            settlements.c.person_id.between(bindparam("lowest"), bindparam("highest")),
        )
        .subquery("kept")
    )
    return Paying(dialect, _payments(kept)), RowMail(dialect, kept, _letter(kept))


def _payments(kept: FromClause) -> FromClause:
    """Return a row for each reason for which a member is paid."""
    reasons = [select(literal(kind.value, String()).label("reason")) for kind in _KINDS]
    kinds = reasons[0].union_all(*reasons[1:]).subquery("kinds")
    points = {kind.value: kept.c[f"{kind.value}_points"] for kind in _KINDS}
    amount = case(points, value=kinds.c.reason)
    return (
        select(kept.c.person_id, kinds.c.reason, amount.label("amount"))
        .select_from(kept.join(kinds, amount > 0))
        .subquery("payments")
    )


def _letter(kept: FromClause) -> dict[str, Any]:
    return {
        "campaign_id": kept.c.campaign_id,
        "title": bindparam("title", type_=String()),
        "days_done": kept.c.days_done,
        "length_days": bindparam("length_days", type_=Integer()),
        "completed": kept.c.completed,
        "note_id": bindparam("note_id", type_=String()),
        "points": reduce(add, (kept.c[f"{kind.value}_points"] for kind in _KINDS)),
        "certificate_code": kept.c.certificate_code,
    }
