"""Second factors: a sealed secret a person, the last step used, and recovery codes by their hash."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from db.statements import upsert
from db.tables.access import recovery_codes, second_factors


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A person's second factor; ``confirmed_at`` is None until a first code proved it."""

    secret_sealed: bytes
    confirmed_at: datetime | None
    last_step: int


def get(conn: Connection, person_id: str) -> SecondFactor | None:
    """Return the person's second factor, confirmed or not."""
    factor = second_factors.c
    row = conn.execute(
        select(factor.secret_sealed, factor.confirmed_at, factor.last_step).where(
            factor.person_id == person_id
        )
    ).first()
    return None if row is None else SecondFactor(bytes(row.secret_sealed), row.confirmed_at, row.last_step)


def begin(conn: Connection, person_id: str, secret_sealed: bytes, now: datetime) -> None:
    """Store a secret that is still to be confirmed, in place of one that never was."""
    row = {
        "person_id": person_id,
        "secret_sealed": secret_sealed,
        "created_at": now,
        "confirmed_at": None,
        "last_step": 0,
    }
    upsert(conn, second_factors, [row], conflict=["person_id"])


def confirm(conn: Connection, person_id: str, step: int, code_hashes: Iterable[str], now: datetime) -> bool:
    """Make the secret count from ``now`` on, with fresh recovery codes; False if it counts already."""
    factor = second_factors.c
    changed = conn.execute(
        update(second_factors)
        .where(factor.person_id == person_id, factor.confirmed_at.is_(None))
        .values(confirmed_at=now, last_step=step)
    )
    if changed.rowcount != 1:
        return False
    conn.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    rows = [{"person_id": person_id, "code_hash": code_hash} for code_hash in code_hashes]
    conn.execute(insert(recovery_codes), rows)
    return True


def use_step(conn: Connection, person_id: str, step: int) -> bool:
    """Use up every code up to ``step``; False if that one was used before, by whoever was faster."""
    factor = second_factors.c
    used = conn.execute(
        update(second_factors)
        .where(factor.person_id == person_id, factor.last_step < step, factor.confirmed_at.is_not(None))
        .values(last_step=step)
    )
    return used.rowcount == 1


def use_recovery_code(conn: Connection, person_id: str, code_hash: str, now: datetime) -> bool:
    """Use a recovery code up; of several who try at once exactly one gets True."""
    code = recovery_codes.c
    used = conn.execute(
        update(recovery_codes)
        .where(code.person_id == person_id, code.code_hash == code_hash, code.used_at.is_(None))
        .values(used_at=now)
    )
    return used.rowcount == 1


def remove(conn: Connection, person_id: str) -> bool:
    """Remove the second factor and its recovery codes; False if there was none."""
    conn.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    return conn.execute(delete(second_factors).where(second_factors.c.person_id == person_id)).rowcount == 1
