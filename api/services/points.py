"""Points as members see them, and the pool as staff fill it."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection

from api.pagination import Paging
from api.problems import Problem
from api.schemas.points import (
    CampaignName,
    DepositIn,
    DepositOut,
    EntryOut,
    MyPoints,
    PoolDayOut,
    PoolOut,
    PromiseOut,
)
from api.security.gate import Actor
from db.repositories import points, pool
from domain.people import Role
from domain.points import (
    AlreadyReversed,
    InsufficientPoints,
    KeyReused,
    NotReversible,
    Source,
    TransferKind,
    UnknownTransfer,
)

TREASURERS = (Role.CAMPAIGN_MANAGER, Role.ADMIN)
"""Who sees the pool and fills it."""


def mine(conn: Connection, person_id: str, paging: Paging) -> MyPoints:
    """Return the balances of a member and a page of what made them."""
    held = points.balances(conn, person_id)
    rows = points.entries(conn, person_id, before=_before(paging), limit=paging.fetch)
    shown, cursor = paging.cut(rows, lambda entry: [entry.id])
    names = points.titles(conn, (entry.reference for entry in shown))
    entries = [_entry(entry, names.get(entry.reference)) for entry in shown]
    return MyPoints(available=held.available, pending=held.pending, entries=entries, next_cursor=cursor)


def _before(paging: Paging) -> str | None:
    return None if paging.after is None else str(paging.after[0])


def _entry(entry: points.Entry, title: str | None) -> EntryOut:
    given = asdict(entry)
    return EntryOut(campaign=CampaignName(id=given.pop("reference"), title=title), **given)


def overview(conn: Connection) -> PoolOut:
    """Return the pool as it stands now."""
    found = pool.overview(conn, datetime.now(UTC).date())
    return PoolOut(
        left=found.in_pool,
        promised=found.promised,
        paid=found.paid,
        came_in=found.days[-1].came_in if found.days else 0,
        by_source=_by_source(found.days[-1].by_source if found.days else {}),
        promises=[
            PromiseOut(campaign=CampaignName(id=one.campaign_id, title=one.title), amount=one.amount)
            for one in found.promises
        ],
        days=[PoolDayOut(**day._asdict() | {"by_source": _by_source(day.by_source)}) for day in found.days],
    )


def _by_source(came_in: Mapping[str, int]) -> dict[Source, int]:
    return {source: came_in.get(source.value, 0) for source in Source}


def deposits(conn: Connection, paging: Paging) -> tuple[list[DepositOut], str | None]:
    """Return a page of what came in, newest first, and the cursor of the next."""
    rows = pool.deposits(conn, before=_before(paging), limit=paging.fetch)
    shown, cursor = paging.cut(rows, lambda row: [row.id])
    found = []
    for row in shown:
        given = asdict(row)
        found.append(DepositOut(by=given.pop("actor_name"), **given))
    return found, cursor


def deposit(conn: Connection, actor: Actor, given: DepositIn, once: str) -> str:
    """Put points into the pool, once for each ``once`` of the actor; return the transfer's id."""
    try:
        return points.deposit(
            conn,
            key=f"deposit/{actor.person_id}:{once}",
            amount=given.amount,
            source=given.source,
            reference=given.reference,
            actor_id=actor.person_id,
            at=datetime.now(UTC),
            note=given.note or None,
        )
    except KeyReused:
        raise Problem("idempotency_key_reused") from None


def reverse(conn: Connection, actor: Actor, transfer_id: str, note: str, once: str) -> str:
    """Undo a deposit or a payment and return the id of the transfer that does; again for the same ``once``.

    Raises ``Problem`` if it cannot be undone, was undone before, or its points are spent or promised.
    """
    now, key = datetime.now(UTC), f"reversal/{transfer_id}:{once}"
    try:
        done = points.reverse(conn, transfer_id, key=key, at=now, actor_id=actor.person_id, note=note)
    except UnknownTransfer:
        raise Problem("not_found") from None
    except NotReversible:
        raise Problem("transfer_not_reversible") from None
    except AlreadyReversed:
        raise Problem("transfer_reversed") from None
    except InsufficientPoints as error:
        raise Problem("points_insufficient", available=error.available) from None
    _release_rest(conn, transfer_id, key, now)
    return done


def _release_rest(conn: Connection, transfer_id: str, key: str, now: datetime) -> None:
    """Send what a campaign that is over got back on to the pool: its own process releases nothing more."""
    found = points.kind_of(conn, transfer_id)
    if found and found[0] is TransferKind.PAYMENT and points.is_over(conn, found[1]):
        points.release(conn, found[1], key=f"{key}:release", at=now)
