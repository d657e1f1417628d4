"""The ledger of points. Every function that books a transfer writes it whole or not at all.

The order in which anything is locked is the same everywhere, so that transfers wait for each other and
never in a circle: keys, then accounts by ``Account.lock_rank``, then the sums of the day. Only a release
takes its key later, which nobody asks for but another release of the same reserve.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, literal, select, union_all, update

from db.repositories import point_days
from db.repositories.point_payments import pay
from db.statements import insert_ignore
from db.tables.campaigns import campaigns
from db.tables.points import point_accounts, point_postings, point_transfers
from domain.ids import new_id
from domain.points import (
    ISSUED,
    MAX_AMOUNT,
    POOL,
    REVERSIBLE,
    Account,
    AccountKind,
    AlreadyReversed,
    InsufficientPoints,
    KeyReused,
    NotReversible,
    Posting,
    Source,
    TransferKind,
    UnknownTransfer,
    mirrored,
    move,
    reserve_of,
)

__all__ = [
    "Balances",
    "Entry",
    "InsufficientPoints",
    "KeyReused",
    "balances",
    "deposit",
    "entries",
    "is_over",
    "kind_of",
    "pay",
    "release",
    "reserve",
    "reverse",
    "titles",
]

_BALANCE = point_accounts.c.balance
_T = point_transfers.c


@dataclass(frozen=True, slots=True)
class _Transfer:
    """A transfer as it is booked, without its postings."""

    key: str
    kind: TransferKind
    reference: str
    at: datetime
    source: Source | None = None
    note: str | None = None
    actor_id: str | None = None
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class Balances:
    """What a member can spend, and what still waits."""

    available: int
    pending: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as it changed a member's accounts; ``reverses`` names the one that it undid."""

    id: str
    kind: str
    reason: str | None
    reference: str
    reverses: str | None
    happened_at: datetime
    available: int
    pending: int


def deposit(
    conn: Connection,
    *,
    key: str,
    amount: int,
    source: Source,
    reference: str,
    actor_id: str | None,
    at: datetime,
    note: str | None = None,
) -> str:
    """Put points into the pool and return the transfer's id; the same key books once.

    ``reference`` names the sponsor or the course. Raises ``KeyReused``, ``ValueError`` for no amount.
    """
    booked = _Transfer(
        key, TransferKind.DEPOSIT, reference, at, source=Source(source), note=note, actor_id=actor_id
    )
    return _book(conn, booked, move(ISSUED, POOL, amount))


def reserve(conn: Connection, campaign_id: str, amount: int, *, key: str, at: datetime) -> str:
    """Promise points of the pool to a campaign and return the transfer's id; the same key books once.

    Raises ``InsufficientPoints`` if the pool holds less or no transfer could move as much, ``KeyReused``,
    ``ValueError`` for no amount.
    """
    if amount > MAX_AMOUNT:
        # A plan's greatest reward has no bound of its own: it is refused like any that is too great.
        raise InsufficientPoints(POOL, conn.execute(_balance_of(POOL)).scalar() or 0)
    booked = _Transfer(key, TransferKind.RESERVATION, campaign_id, at)
    return _book(conn, booked, move(POOL, reserve_of(campaign_id), amount))


def release(conn: Connection, campaign_id: str, *, key: str, at: datetime) -> int:
    """Give what is left of a campaign's reserve back to the pool; return how much, again for the same key.

    Raises ``KeyReused``.
    """
    account = reserve_of(campaign_id)
    # Locked before it is read: what a payment takes in between must not be given back too.
    left = conn.execute(_balance_of(account).with_for_update()).scalar()
    booked = _Transfer(key, TransferKind.RELEASE, campaign_id, at)
    known = _booked(conn, key)
    if known is not None:
        _require_same(known, booked)
        return _amount(_postings(conn, known.id))
    if left:
        _book(conn, booked, move(account, POOL, left))
    return left or 0


def reverse(
    conn: Connection,
    transfer_id: str,
    *,
    key: str,
    at: datetime,
    actor_id: str | None,
    note: str | None = None,
) -> str:
    """Undo a deposit or a payment by a transfer of its own, and return its id; the same key books once.

    A payment goes back to the reserve of its campaign. Raises ``UnknownTransfer``, ``NotReversible``,
    ``AlreadyReversed``, ``KeyReused``, and ``InsufficientPoints`` where the points are spent or promised.
    """
    first = conn.execute(select(point_transfers).where(_T.id == transfer_id).with_for_update()).one_or_none()
    if first is None:
        raise UnknownTransfer
    if TransferKind(first.kind) not in REVERSIBLE:
        raise NotReversible
    booked = _Transfer(
        key, TransferKind.REVERSAL, first.reference, at, note=note, actor_id=actor_id, reverses=transfer_id
    )
    undone = conn.execute(select(_T.key).where(_T.reverses == transfer_id)).scalar()
    if undone is not None and undone != key:
        raise AlreadyReversed
    return _book(conn, booked, mirrored(_postings(conn, transfer_id)), undoes=first)


def _book(
    conn: Connection, given: _Transfer, postings: Sequence[Posting], *, undoes: Row[Any] | None = None
) -> str:
    """Write a transfer, its postings, the balances and the day's sum; or find it by its key."""
    transfer_id, now = new_id(), datetime.now(UTC)
    # A caller that goes on after InsufficientPoints must not commit the half of a transfer.
    with conn.begin_nested():
        if not insert_ignore(conn, point_transfers, [_row(given, transfer_id, now)], conflict=["key"]):
            known = _booked(conn, given.key)
            assert known is not None
            _require_same(known, given, postings, _postings(conn, known.id))
            return str(known.id)
        for posting in sorted(postings, key=lambda posting: posting.account.lock_rank):
            _apply(conn, posting)
        conn.execute(
            insert(point_postings),
            [{"transfer_id": transfer_id, "account_id": p.account.id, "amount": p.amount} for p in postings],
        )
        moved = _amount(postings)
        if undoes is None:
            point_days.add(conn, given.at, given.kind, given.source or "", moved)
        else:
            point_days.add(conn, given.at, TransferKind(undoes.kind), undoes.source or "", -moved)
    return transfer_id


def _row(given: _Transfer, transfer_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": transfer_id,
        "key": given.key,
        "kind": given.kind.value,
        "source": given.source.value if given.source else None,
        "reference": given.reference,
        "note": given.note,
        "actor_id": given.actor_id,
        "reverses": given.reverses,
        "happened_at": given.at,
        "recorded_at": now,
    }


def _apply(conn: Connection, posting: Posting) -> None:
    """Change one balance, or raise ``InsufficientPoints`` where it would go below zero."""
    account, amount = posting
    if amount > 0 or account == ISSUED:
        opened = {"id": account.id, "kind": account.kind.value, "owner": account.owner, "balance": 0}
        insert_ignore(conn, point_accounts, [opened], conflict=["id"])
    changed = update(point_accounts).where(point_accounts.c.id == account.id)
    if account != ISSUED:
        changed = changed.where(_BALANCE + amount >= 0)
    if conn.execute(changed.values(balance=_BALANCE + amount)).rowcount != 1:
        raise InsufficientPoints(account, conn.execute(_balance_of(account)).scalar() or 0)


def _balance_of(account: Account) -> Select[int]:
    return select(_BALANCE).where(point_accounts.c.id == account.id)


def _booked(conn: Connection, key: str) -> Row[Any] | None:
    return conn.execute(select(point_transfers).where(_T.key == key)).one_or_none()


def _require_same(
    known: Row[Any],
    given: _Transfer,
    postings: Iterable[Posting] = (),
    booked: Iterable[Posting] = (),
) -> None:
    """Raise ``KeyReused`` unless the transfer that has the key says what is asked now."""
    asked = replace(given, at=known.happened_at, note=known.note, actor_id=known.actor_id)
    row = _row(asked, known.id, known.recorded_at)
    if any(getattr(known, name) != value for name, value in row.items()) or set(postings) != set(booked):
        raise KeyReused(given.key)


def _postings(conn: Connection, transfer_id: str) -> list[Posting]:
    rows = conn.execute(
        select(point_accounts.c.kind, point_accounts.c.owner, point_postings.c.amount)
        .join_from(point_postings, point_accounts)
        .where(point_postings.c.transfer_id == transfer_id)
    )
    return [Posting(Account(AccountKind(row.kind), row.owner), row.amount) for row in rows]


def _amount(postings: Iterable[Posting]) -> int:
    """Return how many points a balanced transfer moves."""
    return sum(posting.amount for posting in postings if posting.amount > 0)


def balances(conn: Connection, person_id: str) -> Balances:
    """Return what a member has; nothing booked yet is zero."""
    kinds = (AccountKind.AVAILABLE, AccountKind.PENDING)
    ids = [Account(kind, person_id).id for kind in kinds]
    found = conn.execute(select(point_accounts.c.kind, _BALANCE).where(point_accounts.c.id.in_(ids)))
    held = {row.kind: row.balance for row in found}
    return Balances(*(held.get(kind.value, 0) for kind in kinds))


def entries(conn: Connection, person_id: str, *, before: str | None = None, limit: int = 50) -> list[Entry]:
    """Return what changed a member's accounts, newest first, before the transfer ``before``."""
    # Each account by itself is read from its index; a transfer that touches both is among the newest of both.
    sides = [
        _newest(Account(kind, person_id), before, limit)
        for kind in (AccountKind.AVAILABLE, AccountKind.PENDING)
    ]
    both = union_all(*(select(side) for side in sides)).subquery()
    rows = conn.execute(
        select(
            _T.id,
            _T.kind,
            _T.reason,
            _T.reference,
            _T.reverses,
            _T.happened_at,
            func.sum(both.c.available).label("available"),
            func.sum(both.c.pending).label("pending"),
        )
        .join_from(both, point_transfers, both.c.transfer_id == _T.id)
        .group_by(*(_T[name] for name in ("id", "kind", "reason", "reference", "reverses", "happened_at")))
        .order_by(_T.id.desc())
        .limit(limit)
    )
    return [Entry(*row[:6], available=int(row.available), pending=int(row.pending)) for row in rows]


def _newest(account: Account, before: str | None, limit: int) -> Any:
    amount, nothing = point_postings.c.amount, literal(0)
    available = account.kind is AccountKind.AVAILABLE
    found = select(
        point_postings.c.transfer_id,
        (amount if available else nothing).label("available"),
        (nothing if available else amount).label("pending"),
    ).where(point_postings.c.account_id == account.id)
    if before is not None:
        found = found.where(point_postings.c.transfer_id < before)
    return found.order_by(point_postings.c.transfer_id.desc()).limit(limit).subquery()


def kind_of(conn: Connection, transfer_id: str) -> tuple[TransferKind, str] | None:
    """Return the kind of a transfer and what it refers to; None if there is none."""
    row = conn.execute(select(_T.kind, _T.reference).where(_T.id == transfer_id)).one_or_none()
    return None if row is None else (TransferKind(row.kind), row.reference)


def is_over(conn: Connection, campaign_id: str) -> bool:
    """Tell whether a campaign has ended."""
    ended = select(campaigns.c.ended_at).where(campaigns.c.id == campaign_id)
    return conn.execute(ended).scalar() is not None


def titles(conn: Connection, campaign_ids: Iterable[str]) -> dict[str, str]:
    """Return the titles of campaigns by their ids."""
    wanted = set(campaign_ids)
    if not wanted:
        return {}
    rows = conn.execute(select(campaigns.c.id, campaigns.c.title).where(campaigns.c.id.in_(wanted)))
    return {row.id: row.title for row in rows}
