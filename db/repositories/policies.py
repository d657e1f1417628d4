"""Policies: versions of the rules of a process; a version never changes once it is written."""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, select

from db.statements import insert_ignore
from db.tables.vetting import policies
from domain.campaigns.policy import CampaignPolicy
from domain.policy import VettingPolicy

P = TypeVar("P", bound=BaseModel)


class PolicyVersion(BaseModel, Generic[P]):
    """One version of a policy: who wrote it, when (UTC) and why."""

    model_config = ConfigDict(frozen=True)

    version: int
    policy: P
    created_at: datetime
    created_by: str | None
    note: str


class PolicyChanged(Exception):
    """Somebody else wrote a version in the meantime; ``current`` is the newest one now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the policy is at version {current}")
        self.current = current


class Policies(Generic[P]):
    """The versions of the rules of one kind of process; ``model`` is what their bodies are."""

    def __init__(self, process: str, model: type[P]) -> None:
        self.process = process
        self.model = model

    def current(self, conn: Connection) -> PolicyVersion[P]:
        """Return the newest version (the migrations write the first)."""
        return self.history(conn, limit=1)[0]

    def get(self, conn: Connection, version: int) -> PolicyVersion[P] | None:
        """Return one version."""
        statement = select(policies).where(policies.c.process == self.process, policies.c.version == version)
        row = conn.execute(statement).one_or_none()
        return None if row is None else self._version(row)

    def history(self, conn: Connection, *, limit: int = 100) -> tuple[PolicyVersion[P], ...]:
        """Return up to ``limit`` versions, newest first."""
        mine = select(policies).where(policies.c.process == self.process)
        rows = conn.execute(mine.order_by(policies.c.version.desc()).limit(limit))
        return tuple(self._version(row) for row in rows)

    def _version(self, row: Row[Any]) -> PolicyVersion[P]:
        return PolicyVersion(
            version=row.version,
            policy=self.model.model_validate(row.body),
            created_at=row.created_at,
            created_by=row.created_by,
            note=row.note,
        )

    def add_version(
        self,
        conn: Connection,
        policy: P,
        *,
        expected_version: int,
        now: datetime,
        created_by: str | None,
        note: str,
    ) -> int:
        """Write the version after ``expected_version`` and return its number.

        Raises ``PolicyChanged`` if that is not the newest: two editors never overwrite each other.
        """
        newest = select(func.max(policies.c.version)).where(policies.c.process == self.process)
        row = {
            "process": self.process,
            "version": expected_version + 1,
            "body": policy.model_dump(mode="json"),
            "created_at": now,
            "created_by": created_by,
            "note": note,
        }
        key = ["process", "version"]
        found = conn.execute(newest).scalar_one()
        if found != expected_version or not insert_ignore(conn, policies, [row], conflict=key):
            raise PolicyChanged(conn.execute(newest).scalar_one())
        return expected_version + 1


VETTING: Final = Policies("vetting", VettingPolicy)
CAMPAIGNS: Final = Policies("campaign", CampaignPolicy)
