"""Paying members out of a campaign's reserve: as many statements for one payment as for thousands.

What is to be paid is something to select from, so that payments which follow from rows never leave the
database.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    Integer,
    String,
    bindparam,
    case,
    func,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from db.repositories import point_days
from db.statements import Lookups, RisingIds, counted, insert_from, list_of, listed
from db.tables.points import point_accounts, point_postings, point_transfers
from domain.points import (
    AccountKind,
    InsufficientPoints,
    KeyReused,
    Payment,
    TransferKind,
    check_payments,
    reserve_of,
)

_T = point_transfers.c
_BALANCE = point_accounts.c.balance
_RESERVE = bindparam("reserve", type_=String())
_IS_RESERVE = point_accounts.c.id == _RESERVE


def pay(
    conn: Connection, campaign_id: str, payments: Sequence[Payment], *, key_prefix: str, at: datetime
) -> int:
    """Pay members out of a campaign's reserve; return how many payments were new.

    Each is a transfer of its own with the key ``{key_prefix}:{person_id}:{reason}``; one that is booked is
    left as it is. Raises ``InsufficientPoints`` if the reserve holds less than the new ones together,
    ``KeyReused`` if a booked one says something else, ``ValueError``; then nothing is written.
    """
    check_payments(payments)
    if not payments:
        return 0
    rows = sorted((one.person_id, one.reason.value, one.amount) for one in payments)
    values = list_of("given", [(number, *row) for number, row in enumerate(rows)])
    return _paying(conn.dialect.name).run(conn, campaign_id, values, key_prefix=key_prefix, at=at)


@lru_cache(maxsize=2)
def _paying(dialect: str) -> "Paying":
    columns: dict[str, TypeEngine[Any]] = {
        "number": Integer(),
        "person_id": String(),
        "reason": String(),
        "amount": BigInteger(),
    }
    given = listed(dialect, "given", **columns)
    return Paying(dialect, given, _of_each(given))


def _of_each(given: FromClause) -> FromClause:
    """Return what each member is paid, however many reasons there are."""
    person = given.c.person_id
    each = select(person, func.count().label("count"), func.sum(given.c.amount).label("amount"))
    return each.group_by(person).subquery("each")


class Paying:
    """The statements that pay what ``given`` selects, for one kind of database; make them once.

    ``given`` has one row for each member and reason: ``person_id``, ``reason`` (a ``PaymentReason``),
    ``amount`` (points, at least 1) and ``number``, by which its rows are told apart, and which is the same
    each time they are selected (0 to 2³² - 1). On SQLite they come in the order of their people. ``each`` has
    one row for each member: ``person_id``, and ``count`` and ``amount`` (points) of all that is in ``given``.
    """

    def __init__(self, dialect: str, given: FromClause, each: FromClause) -> None:
        # The SQL of ``domain.points.payment_key``.
        key = bindparam("key_prefix", type_=String()) + ":" + given.c.person_id + ":" + given.c.reason
        number = RisingIds.of(dialect, given.c.number)
        self._name = _transfers(dialect, given, key, number)
        self._all = _Booking(dialect, given, number, each)
        made = _T.id.between(bindparam("first"), bindparam("last"))
        found = select(given, _by_key(given, key, made).label("id")).subquery("found")
        new = select(found).where(found.c.id.is_not(None)).subquery("new")
        self._new = _Booking(dialect, new, new.c.id, _of_each(new))
        self._other = _says_something_else(given, key)

    def run(
        self,
        conn: Connection,
        campaign_id: str,
        values: Mapping[str, Any],
        *,
        key_prefix: str,
        at: datetime,
        sums: tuple[int, int] | None = None,
    ) -> int:
        """Pay; ``values`` are bound to what is selected, which nobody may change meanwhile.

        ``sums`` says how many payments these are, and their points, if the caller knows. For the rest as
        ``pay``.
        """
        reserve, ids = reserve_of(campaign_id), RisingIds()
        bound = {
            **values,
            "campaign_id": campaign_id,
            "reserve": reserve.id,
            "key_prefix": key_prefix,
            "front": ids.front,
            "first": ids.first,
            "last": ids.last,
        }
        # A caller that goes on after an error must not commit the half of them.
        with conn.begin_nested():
            if conn.dialect.name == "postgresql":
                conn.execute(_BY_INDEX)
            if conn.execute(_HELD, bound).first() is None:
                raise InsufficientPoints(reserve, 0)
            asked, total = sums or self._all.sums(conn, bound)
            new = counted(conn, self._name, {**bound, "at": at, "now": datetime.now(UTC)})
            booking = self._all if new == asked else self._new
            if new:
                booking.book(conn, bound)
            # After the postings, by which it knows an amount.
            if new < asked and (reused := conn.execute(self._other, bound).scalar()) is not None:
                raise KeyReused(reused)
            if new:
                if new < asked:
                    _, total = booking.sums(conn, bound)
                # What all payments of a campaign share is locked last, and so for the shortest time.
                if conn.execute(_DEBIT, {"reserve": reserve.id, "total": total}).rowcount != 1:
                    raise InsufficientPoints(reserve, conn.execute(_HELD, bound).scalar() or 0)
                point_days.add(conn, at, TransferKind.PAYMENT, "", total)
        return new


class _Booking:
    """The statements that book what is in ``rows``, whose transfers, with these ids, are there already.

    Where every payment is new, as nearly always, the ids follow from their order, and no transfer need be
    looked up.
    """

    def __init__(self, dialect: str, rows: FromClause, transfer_id: Any, each: FromClause) -> None:
        sums = (func.coalesce(func.sum(each.c[name]), 0) for name in ("count", "amount"))
        self._sums = select(*sums)
        self._credit = _credit(dialect, each)
        booked = select(transfer_id.label("id"), _account(rows).label("account"), rows.c.amount)
        self._post = _postings(booked.subquery("booked"))

    def sums(self, conn: Connection, bound: Mapping[str, Any]) -> tuple[int, int]:
        """Return how many payments these are, and their points together."""
        count, total = conn.execute(self._sums, bound).one()
        return int(count), int(total)

    def book(self, conn: Connection, bound: Mapping[str, Any]) -> None:
        """Add to the members' balances, and write both postings of each transfer."""
        conn.execute(self._credit, bound)
        conn.execute(self._post, bound)


# Statistics may be older than what the same transaction has written: of a table in which it believes two
# rows, PostgreSQL would read all twelve thousand for each payment, to look one up or to check a reference.
_BY_INDEX = text("SET LOCAL enable_seqscan = off")
_HELD = select(_BALANCE).where(_IS_RESERVE)
_TOTAL = bindparam("total", type_=BigInteger())
_DEBIT = update(point_accounts).where(_IS_RESERVE, _BALANCE >= _TOTAL).values(balance=_BALANCE - _TOTAL)


def _transfers(dialect: str, given: FromClause, key: Any, number: Any) -> Any:
    """Return the statement that writes the transfers whose keys are free, with their ``number`` as ids."""
    values = {
        "id": number,
        "key": key,
        "kind": literal(TransferKind.PAYMENT.value, String()),
        "reason": given.c.reason,
        "reference": bindparam("campaign_id", type_=String()),
        "happened_at": bindparam("at", type_=_T.happened_at.type),
        "recorded_at": bindparam("now", type_=_T.recorded_at.type),
    }
    rows = select(*values.values()).where(true())
    if dialect == "postgresql":
        # In one order, so that two that pay the same people wait for each other and never lock up.
        rows = rows.order_by(given.c.person_id, given.c.reason)
    return insert_from(dialect, point_transfers, list(values), rows, conflict=["key"])


def _account(rows: FromClause) -> Any:
    # The SQL of ``domain.points.available_of``.
    return literal(f"{AccountKind.AVAILABLE.value}:", String()) + rows.c.person_id


def _credit(dialect: str, each: FromClause) -> Any:
    """Return the statement that adds to each member's balance once."""
    kind = literal(AccountKind.AVAILABLE.value, String())
    credits = select(_account(each), kind, each.c.person_id, each.c.amount).where(true())
    if dialect == "postgresql":
        credits = credits.order_by(each.c.person_id)
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    credit = insert(point_accounts).from_select(["id", "kind", "owner", "balance"], credits)
    more = _BALANCE + credit.excluded.balance
    return credit.on_conflict_do_update(index_elements=["id"], set_={"balance": more})


def _postings(booked: FromClause) -> Any:
    """Return the statement that writes both postings of each transfer."""
    side = select(literal(1).label("sign")).union_all(select(literal(-1))).subquery("side")
    rows = select(
        booked.c.id,
        case((side.c.sign == 1, booked.c.account), else_=_RESERVE),
        booked.c.amount * side.c.sign,
    ).select_from(Lookups(booked, side, true()))
    return point_postings.insert().from_select(["transfer_id", "account_id", "amount"], rows)


def _by_key(given: FromClause, key: Any, which: Any) -> Any:
    """Return the id of the transfer with a payment's key, None if it is not ``which``.

    Each is looked up: a join would begin with the transfers where PostgreSQL believes in but a few of them.
    """
    return select(_T.id).where(_T.key == key, which).correlate(given).scalar_subquery()


def _says_something_else(given: FromClause, key: Any) -> Any:
    """Return the statement that finds a transfer that was there before and is not what is asked for.

    All of them are there by now.
    """
    booked = _T.reference == bindparam("campaign_id", type_=String())
    paid = (
        select(point_postings.c.amount)
        .where(
            point_postings.c.transfer_id == _by_key(given, key, booked),
            point_postings.c.amount > 0,
        )
        .correlate(given)
        .scalar_subquery()
    )
    return select(key).select_from(given).where(paid.is_distinct_from(given.c.amount)).limit(1)
