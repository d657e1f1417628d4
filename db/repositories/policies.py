"""Policies: versions of the rules of a process; a version never changes once it is written."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, select

from db.statements import insert_ignore
from db.tables.vetting import policies
from domain.policy import VettingPolicy

VETTING = "vetting"


class PolicyVersion(BaseModel):
    """One version of the vetting policy: who wrote it, when (UTC) and why."""

    model_config = ConfigDict(frozen=True)

    version: int
    policy: VettingPolicy
    created_at: datetime
    created_by: str | None
    note: str


class PolicyChanged(Exception):
    """Somebody else wrote a version in the meantime; ``current`` is the newest one now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the policy is at version {current}")
        self.current = current


def current(conn: Connection) -> PolicyVersion:
    """Return the newest version of the vetting policy (the migrations write the first)."""
    return history(conn, limit=1)[0]


def get(conn: Connection, version: int) -> PolicyVersion | None:
    """Return one version of the vetting policy."""
    statement = select(policies).where(policies.c.process == VETTING, policies.c.version == version)
    row = conn.execute(statement).one_or_none()
    return None if row is None else _version(row)


def history(conn: Connection, *, limit: int = 100) -> tuple[PolicyVersion, ...]:
    """Return up to ``limit`` versions of the vetting policy, newest first."""
    statement = (
        select(policies).where(policies.c.process == VETTING).order_by(policies.c.version.desc()).limit(limit)
    )
    return tuple(_version(row) for row in conn.execute(statement))


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        version=row.version,
        policy=VettingPolicy.model_validate(row.body),
        created_at=row.created_at,
        created_by=row.created_by,
        note=row.note,
    )


def add_version(
    conn: Connection,
    policy: VettingPolicy,
    *,
    expected_version: int,
    now: datetime,
    created_by: str | None,
    note: str,
) -> int:
    """Write the version after ``expected_version`` and return its number.

    Raises ``PolicyChanged`` if that is not the newest: two editors never overwrite each other.
    """
    newest = select(func.max(policies.c.version)).where(policies.c.process == VETTING)
    row = {
        "process": VETTING,
        "version": expected_version + 1,
        "body": policy.model_dump(mode="json"),
        "created_at": now,
        "created_by": created_by,
        "note": note,
    }
    found = conn.execute(newest).scalar_one()
    if found != expected_version or not insert_ignore(conn, policies, [row], conflict=["process", "version"]):
        raise PolicyChanged(conn.execute(newest).scalar_one())
    return expected_version + 1
