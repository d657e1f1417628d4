"""The resource pool as staff see it: what is in, promised, paid, where it came from, and day by day."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from db.repositories import point_days
from db.tables.campaigns import campaigns
from db.tables.people import people
from db.tables.points import point_accounts, point_postings, point_transfers
from domain.points import ISSUED, POOL, AccountKind, PoolDay, TransferKind, days_of

MOST_PROMISES: Final = 200
LONGEST_SERIES: Final = 366


@dataclass(frozen=True, slots=True)
class Promise:
    """What is left of one campaign's reserve."""

    campaign_id: str
    title: str | None
    amount: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The pool: what is free in it, what is promised (the largest promises by campaign), what was paid.

    ``days`` are without gaps; the last of them holds all that came in until now.
    """

    in_pool: int
    promised: int
    paid: int
    promises: list[Promise]
    days: list[PoolDay]


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit; or the reversal of one (``reverses``), with a negative amount."""

    id: str
    kind: str
    amount: int
    source: str | None
    reference: str
    note: str | None
    actor_name: str | None
    reverses: str | None
    reversed_by: str | None
    happened_at: datetime


def overview(conn: Connection, today: date) -> Overview:
    """Return the pool as it stands; ``today`` is the last day of the series (UTC)."""
    reserves = (point_accounts.c.kind == AccountKind.RESERVE.value, point_accounts.c.balance > 0)
    balance = select(point_accounts.c.balance).where(point_accounts.c.id == POOL.id)
    promised = select(func.sum(point_accounts.c.balance)).where(*reserves)
    changes = point_days.changes(conn)
    return Overview(
        in_pool=conn.execute(balance).scalar() or 0,
        promised=int(conn.execute(promised).scalar() or 0),
        paid=sum(change.amount for change in changes if change.kind is TransferKind.PAYMENT),
        promises=_promises(conn, reserves),
        days=days_of(changes, today, LONGEST_SERIES),
    )


def _promises(conn: Connection, reserves: tuple[Any, ...]) -> list[Promise]:
    rows = conn.execute(
        select(point_accounts.c.owner, campaigns.c.title, point_accounts.c.balance)
        .outerjoin_from(point_accounts, campaigns, campaigns.c.id == point_accounts.c.owner)
        .where(*reserves)
        .order_by(point_accounts.c.balance.desc(), point_accounts.c.id)
        .limit(MOST_PROMISES)
    )
    return [Promise(*row) for row in rows]


def deposits(conn: Connection, *, before: str | None = None, limit: int = 25) -> list[Deposit]:
    """Return deposits and their reversals, newest first, before the transfer ``before``."""
    undone = point_transfers.alias("undone")
    given = point_transfers
    found = (
        select(
            given.c.id,
            given.c.kind,
            # What left the outside came in.
            (-point_postings.c.amount).label("amount"),
            given.c.source,
            given.c.reference,
            given.c.note,
            people.c.display_name.label("actor_name"),
            given.c.reverses,
            undone.c.id.label("reversed_by"),
            given.c.happened_at,
        )
        .join_from(point_postings, given, given.c.id == point_postings.c.transfer_id)
        .outerjoin(undone, undone.c.reverses == given.c.id)
        .outerjoin(people, people.c.id == given.c.actor_id)
        .where(point_postings.c.account_id == ISSUED.id)
    )
    if before is not None:
        found = found.where(point_postings.c.transfer_id < before)
    rows: Any = conn.execute(found.order_by(point_postings.c.transfer_id.desc()).limit(limit))
    return [Deposit(*row) for row in rows]
