"""Proving the ledger: each check is one statement over all rows, whatever their number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, distinct, func, literal, or_, select, text, union_all
from sqlalchemy.sql import FromClause

from db.tables.points import point_accounts, point_days, point_postings, point_transfers
from domain.points import AccountKind, TransferKind

MOST_SHOWN: Final = 20

_T, _P, _A = point_transfers.c, point_postings.c, point_accounts.c


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: which row, and how it differs."""

    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """One check: how many rows it looked at, how many are wrong, and the first of those."""

    name: str
    examined: int
    wrong: int
    findings: tuple[Finding, ...]


def _proof(
    conn: Connection, name: str, examined: FromClause, wrong: Select[Any], tell: Callable[[Any], str]
) -> Proof:
    """Run a check; the first column of ``wrong`` names the row."""
    if conn.dialect.name == "postgresql":
        # Each goes through whole tables, once: not once for each row, however few it believes there are
        # while its statistics are older than a settlement.
        conn.execute(text("SET LOCAL enable_nestloop = off"))
    number = conn.execute(select(func.count()).select_from(examined)).scalar_one()
    found = wrong.subquery()
    count = conn.execute(select(func.count()).select_from(found)).scalar_one()
    first = conn.execute(select(found).order_by(found.c[0]).limit(MOST_SHOWN)) if count else ()
    return Proof(name, number, count, tuple(Finding(str(row[0]), tell(row)) for row in first))


def balanced(conn: Connection) -> Proof:
    """Every transfer has at least two postings, and they sum to zero."""
    total, sides = func.sum(_P.amount), func.count()
    # Postings lie by transfer: one walk along them, without a table of all sums.
    lopsided = (
        select(_P.transfer_id, total.label("total"), sides.label("sides"))
        .group_by(_P.transfer_id)
        .having(or_(total != 0, sides < 2))
    )
    posted = select(_P.transfer_id).where(_P.transfer_id == _T.id)
    empty = select(_T.id, literal(0), literal(0)).where(~posted.exists())
    wrong = select(union_all(lopsided, empty).subquery())
    return _proof(
        conn, "balanced", point_transfers, wrong, lambda row: f"sums to {row[1]} over {row[2]} postings"
    )


def homeless(conn: Connection) -> Proof:
    """Every posting belongs to a transfer and an account that exist."""
    wrong = (
        select(_P.transfer_id, _P.account_id)
        .outerjoin_from(point_postings, point_transfers, _T.id == _P.transfer_id)
        .outerjoin(point_accounts, _A.id == _P.account_id)
        .where(or_(_T.id.is_(None), _A.id.is_(None)))
    )
    return _proof(conn, "homeless", point_postings, wrong, lambda row: f"posted on {row[1]}")


def balances(conn: Connection) -> Proof:
    """Every balance is the sum of its account's postings."""
    sums = select(_P.account_id, func.sum(_P.amount).label("total")).group_by(_P.account_id).subquery()
    total = func.coalesce(sums.c.total, 0)
    wrong = (
        select(_A.id, _A.balance, total)
        .outerjoin_from(point_accounts, sums, sums.c.account_id == _A.id)
        .where(_A.balance != total)
    )
    return _proof(
        conn, "balances", point_accounts, wrong, lambda row: f"says {row[1]}, its postings {row[2]}"
    )


def solvent(conn: Connection) -> Proof:
    """No account but the one that points enter from is below zero."""
    wrong = select(_A.id, _A.balance).where(_A.balance < 0, _A.kind != AccountKind.ISSUED.value)
    return _proof(conn, "solvent", point_accounts, wrong, lambda row: f"holds {row[1]}")


def keys(conn: Connection) -> Proof:
    """No key names two transfers."""
    wrong = select(_T.key, func.count()).group_by(_T.key).having(func.count() > 1)
    return _proof(conn, "keys", point_transfers, wrong, lambda row: f"names {row[1]} transfers")


def reversals(conn: Connection) -> Proof:
    """A reversal is the mirror of one transfer, which no other undoes."""
    mirror = point_postings.alias("mirror")
    undoes = point_transfers.alias("undoes")
    both = and_(mirror.c.transfer_id == undoes.c.reverses, mirror.c.account_id == _P.account_id)
    lopsided = (
        select(undoes.c.id, literal("is no mirror of what it undoes"))
        .join_from(undoes, point_postings, _P.transfer_id == undoes.c.id)
        .outerjoin(mirror, both)
        .where(undoes.c.reverses.is_not(None))
        .group_by(undoes.c.id)
        .having(func.sum(case((mirror.c.amount == -_P.amount, 0), else_=1)) > 0)
    )
    twice = (
        select(_T.reverses, literal("is undone more than once"))
        .where(_T.reverses.is_not(None))
        .group_by(_T.reverses)
        .having(func.count(distinct(_T.id)) > 1)
    )
    wrong = select(union_all(lopsided, twice).subquery())
    examined = select(_T.id).where(_T.reverses.is_not(None)).subquery()
    return _proof(conn, "reversals", examined, wrong, lambda row: str(row[1]))


def days(conn: Connection) -> Proof:
    """The sums by kind and source, which the picture is drawn from, are those of the transfers."""
    undone = point_transfers.alias("undone")
    reversal = _T.kind == TransferKind.REVERSAL.value
    kind = case((reversal, undone.c.kind), else_=_T.kind)
    source = func.coalesce(case((reversal, undone.c.source), else_=_T.source), "")
    moved = (
        select(
            kind.label("kind"),
            source.label("source"),
            func.sum(case((reversal, -_P.amount), else_=_P.amount)).label("total"),
        )
        .join_from(point_transfers, point_postings, _P.transfer_id == _T.id)
        .outerjoin(undone, undone.c.id == _T.reverses)
        .where(_P.amount > 0)
        .group_by(kind, source)
        .subquery()
    )
    kept = (
        select(point_days.c.kind, point_days.c.source, func.sum(point_days.c.amount).label("total"))
        .group_by(point_days.c.kind, point_days.c.source)
        .subquery()
    )
    same = and_(kept.c.kind == moved.c.kind, kept.c.source == moved.c.source)
    left = select(moved.c.kind, moved.c.source, kept.c.total.label("kept"), moved.c.total).outerjoin_from(
        moved, kept, same
    )
    right = (
        select(kept.c.kind, kept.c.source, kept.c.total.label("kept"), moved.c.total)
        .outerjoin_from(kept, moved, same)
        .where(moved.c.kind.is_(None))
    )
    every = union_all(left, right).subquery()
    wrong = select(every).where(func.coalesce(every.c.kept, 0) != func.coalesce(every.c.total, 0))
    return _proof(
        conn, "days", point_days, wrong, lambda row: f"{row[1] or '-'}: says {row[2]}, moved {row[3]}"
    )


CHECKS: Final = (balanced, homeless, balances, solvent, keys, reversals, days)
"""Every check. Each may run in a snapshot of its own: transfers come in whole."""


def verify(conn: Connection) -> list[Proof]:
    """Run every check; the ledger is whole if none found anything."""
    return [check(conn) for check in CHECKS]
