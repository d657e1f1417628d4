"""Paying many members at once out of a campaign's reserve: a few statements for thousands of payments."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, select, text, update

from db.repositories import point_days
from db.statements import chunked
from db.tables.points import point_accounts, point_postings, point_transfers
from db.types import UtcDateTime
from domain.ids import new_id
from domain.points import (
    Account,
    InsufficientPoints,
    KeyReused,
    Payment,
    TransferKind,
    available_of,
    check_payments,
    payment_key,
    reserve_of,
)

_CHUNK: Final = 5_000
_COUNTED: Final = {"preserve_rowcount": True}
_T = point_transfers.c


class _Booked:
    """A payment on its way into the ledger."""

    __slots__ = ("account", "amount", "id", "key", "person_id", "reason")

    def __init__(self, prefix: str, payment: Payment) -> None:
        self.id = new_id()
        self.key = payment_key(prefix, payment)
        self.person_id = payment.person_id
        self.account = available_of(payment.person_id).id
        self.amount = payment.amount
        self.reason = payment.reason.value


def pay(
    conn: Connection, campaign_id: str, payments: Sequence[Payment], *, key_prefix: str, at: datetime
) -> int:
    """Pay members out of a campaign's reserve; return how many payments were new.

    Each is a transfer of its own with the key ``{key_prefix}:{person_id}:{reason}``; one that is booked is
    left as it is. Raises ``InsufficientPoints`` if the reserve holds less than the new ones together,
    ``KeyReused`` if a booked one says something else, ``ValueError``; then nothing is written.
    """
    check_payments(payments)
    reserve = reserve_of(campaign_id)
    # In the order of their accounts and keys, so that two that pay the same people wait and never lock up.
    given = [_Booked(key_prefix, payment) for payment in sorted(payments)]
    # A caller that goes on after an error must not commit the half of them.
    with conn.begin_nested():
        if given and conn.execute(_balance_of(reserve)).scalar() is None:
            raise InsufficientPoints(reserve, 0)
        new = [one for chunk in chunked(given, _CHUNK) for one in _named(conn, campaign_id, chunk, at)]
        if new:
            total = sum(one.amount for one in new)
            _credit(conn, new)
            for chunk in chunked(new, _CHUNK):
                _post(conn, reserve, chunk)
            # What all payments of a campaign share is locked last, and so for the shortest time.
            _debit(conn, reserve, total)
            point_days.add(conn, at, TransferKind.PAYMENT, "", total)
    return len(new)


def _balance_of(account: Account) -> Select[int]:
    return select(point_accounts.c.balance).where(point_accounts.c.id == account.id)


_TRANSFERS_SQLITE: Final = (
    "INSERT INTO point_transfers (id, key, kind, reason, reference, happened_at, recorded_at) "
    "VALUES (?, ?, 'payment', ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
)
_TRANSFERS_POSTGRESQL: Final = text(
    "INSERT INTO point_transfers (id, key, kind, reason, reference, happened_at, recorded_at) "
    "SELECT given.id, given.key, 'payment', given.reason, :reference, :at, :now FROM "
    "unnest(CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:reasons AS text[])) "
    "AS given (id, key, reason) ON CONFLICT (key) DO NOTHING"
)


def _named(conn: Connection, campaign_id: str, given: list[_Booked], at: datetime) -> list[_Booked]:
    """Write the transfers whose keys are free, and return them."""
    now = datetime.now(UTC)
    if conn.dialect.name == "postgresql":
        values = {
            "ids": [one.id for one in given],
            "keys": [one.key for one in given],
            "reasons": [one.reason for one in given],
            "reference": campaign_id,
            "at": at,
            "now": now,
        }
        written = conn.execute(_TRANSFERS_POSTGRESQL, values, execution_options=_COUNTED).rowcount
    else:
        happened, recorded = (UtcDateTime().process_bind_param(one, conn.dialect) for one in (at, now))
        rows = [(one.id, one.key, one.reason, campaign_id, happened, recorded) for one in given]
        written = conn.exec_driver_sql(_TRANSFERS_SQLITE, rows, _COUNTED).rowcount
    return given if written == len(given) else _new_among(conn, campaign_id, given)


def _new_among(conn: Connection, campaign_id: str, given: list[_Booked]) -> list[_Booked]:
    """Return those that were written just now; raises ``KeyReused`` if an older one says otherwise."""
    rows = conn.execute(
        select(_T.key, _T.id, _T.reference, point_postings.c.amount)
        .outerjoin_from(
            point_transfers,
            point_postings,
            (point_postings.c.transfer_id == _T.id) & (point_postings.c.amount > 0),
        )
        .where(_T.key.in_([one.key for one in given]))
    )
    known = {row.key: row for row in rows}
    for one in given:
        row = known[one.key]
        if row.id != one.id and (row.amount, row.reference) != (one.amount, campaign_id):
            raise KeyReused(one.key)
    return [one for one in given if known[one.key].id == one.id]


_ACCOUNTS_SQLITE: Final = (
    "INSERT INTO point_accounts (id, kind, owner, balance) VALUES (?, 'available', ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance"
)
_ACCOUNTS_POSTGRESQL: Final = text(
    "INSERT INTO point_accounts (id, kind, owner, balance) SELECT given.id, 'available', given.owner, "
    "given.amount FROM unnest(CAST(:ids AS text[]), CAST(:owners AS text[]), CAST(:amounts AS bigint[])) "
    "AS given (id, owner, amount) "
    "ON CONFLICT (id) DO UPDATE SET balance = point_accounts.balance + excluded.balance"
)


def _credit(conn: Connection, new: list[_Booked]) -> None:
    """Add to each member's balance once, however many reasons there are."""
    amounts: dict[tuple[str, str], int] = defaultdict(int)
    for one in new:
        amounts[one.account, one.person_id] += one.amount
    for chunk in chunked(amounts.items(), _CHUNK):
        if conn.dialect.name == "postgresql":
            values = {
                "ids": [account for (account, _), _ in chunk],
                "owners": [owner for (_, owner), _ in chunk],
                "amounts": [amount for _, amount in chunk],
            }
            conn.execute(_ACCOUNTS_POSTGRESQL, values)
        else:
            rows = [(account, owner, amount) for (account, owner), amount in chunk]
            conn.exec_driver_sql(_ACCOUNTS_SQLITE, rows)


def _debit(conn: Connection, reserve: Account, total: int) -> None:
    balance = point_accounts.c.balance
    enough = (point_accounts.c.id == reserve.id, balance >= total)
    taken = conn.execute(update(point_accounts).where(*enough).values(balance=balance - total))
    if taken.rowcount != 1:
        raise InsufficientPoints(reserve, conn.execute(_balance_of(reserve)).scalar() or 0)


_POSTINGS_SQLITE: Final = "INSERT INTO point_postings (transfer_id, account_id, amount) VALUES (?, ?, ?)"
_POSTINGS_POSTGRESQL: Final = text(
    "INSERT INTO point_postings (transfer_id, account_id, amount) "
    "SELECT given.id, side.account, side.amount "
    "FROM unnest(CAST(:ids AS text[]), CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) "
    "AS given (id, account, amount), "
    "LATERAL (VALUES (given.account, given.amount), (:reserve, -given.amount)) AS side (account, amount)"
)


def _post(conn: Connection, reserve: Account, new: list[_Booked]) -> None:
    """Write both postings of each transfer."""
    if conn.dialect.name == "postgresql":
        values = {
            "ids": [one.id for one in new],
            "accounts": [one.account for one in new],
            "amounts": [one.amount for one in new],
            "reserve": reserve.id,
        }
        conn.execute(_POSTINGS_POSTGRESQL, values)
        return
    rows: list[Any] = []
    for one in new:
        rows += ((one.id, one.account, one.amount), (one.id, reserve.id, -one.amount))
    conn.exec_driver_sql(_POSTINGS_SQLITE, rows)
