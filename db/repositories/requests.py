"""Repeated requests and how often somebody asked: idempotency keys and counters of fixed windows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from db.statements import insert_ignore, insert_into
from db.tables.access import idempotency_keys, magic_links, rate_counters, sessions

_KEY = idempotency_keys.c


@dataclass(frozen=True, slots=True)
class Slot:
    """Names one request of one person: route template and the key that the client chose."""

    person_id: str
    route: str
    key: str


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored under a slot; ``status`` is None while the first request is still being answered."""

    body_hash: str
    created_at: datetime
    status: int | None
    headers: dict[str, str] | None
    body: str | None


def _of(slot: Slot) -> Any:
    return and_(_KEY.person_id == slot.person_id, _KEY.route == slot.route, _KEY.key == slot.key)


def reserve(conn: Connection, slot: Slot, body_hash: str, now: datetime) -> bool:
    """Take the slot; False if somebody has it. On PostgreSQL this waits for a first taker's transaction."""
    row = {
        "person_id": slot.person_id,
        "route": slot.route,
        "key": slot.key,
        "body_hash": body_hash,
        "created_at": now,
    }
    return insert_ignore(conn, idempotency_keys, [row], conflict=["person_id", "route", "key"]) == 1


def held(conn: Connection, slot: Slot) -> Held | None:
    """Return what is stored under the slot."""
    columns = (_KEY.body_hash, _KEY.created_at, _KEY.status, _KEY.headers, _KEY.body)
    row = conn.execute(select(*columns).where(_of(slot))).first()
    return None if row is None else Held(*row)


def take_over(conn: Connection, slot: Slot, since: datetime, now: datetime) -> bool:
    """Take a slot whose holder, since ``since``, never answered; of several exactly one gets True."""
    taken = conn.execute(
        update(idempotency_keys)
        .where(_of(slot), _KEY.status.is_(None), _KEY.created_at == since)
        .values(created_at=now)
    )
    return taken.rowcount == 1


def settle(conn: Connection, slot: Slot, status: int, headers: dict[str, str], body: str) -> None:
    """Store the answer, to be given again."""
    conn.execute(update(idempotency_keys).where(_of(slot)).values(status=status, headers=headers, body=body))


def release(conn: Connection, slot: Slot) -> None:
    """Give the slot back: nothing was done, so that the same key can be tried again."""
    conn.execute(delete(idempotency_keys).where(_of(slot), _KEY.status.is_(None)))


def hit(conn: Connection, bucket: str, window: int) -> int:
    """Count one more in ``bucket`` during ``window`` (a number that rises with time); return the count."""
    statement = insert_into(conn, rate_counters).values(bucket=bucket, window=window, count=1)
    statement = statement.on_conflict_do_update(
        index_elements=["bucket", "window"], set_={"count": rate_counters.c.count + 1}
    ).returning(rate_counters.c.count)
    return int(conn.execute(statement).scalar_one())


def prune(conn: Connection, now: datetime, keys_before: datetime, counters_before: int) -> None:
    """Delete what no longer has an effect: ended sessions and links, old answers and counters."""
    conn.execute(delete(sessions).where(sessions.c.expires_at < now))
    conn.execute(delete(magic_links).where(magic_links.c.expires_at < keys_before))
    conn.execute(delete(idempotency_keys).where(_KEY.created_at < keys_before))
    conn.execute(delete(rate_counters).where(rate_counters.c.window < counters_before))
