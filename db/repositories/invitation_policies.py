"""The community's rules for invitations by mail, in versions that never change once they are written."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from db.repositories.policies import PolicyChanged
from db.statements import insert_ignore
from db.tables.vetting import policies
from domain.campaigns.invitation_mails import InvitationPolicy

INVITATIONS = "invitations"


class InvitationPolicyVersion(NamedTuple):
    """One version; 0 are the rules that hold before anybody wrote any."""

    version: int
    policy: InvitationPolicy
    created_at: datetime | None = None


_BEFORE_ANY = InvitationPolicyVersion(0, InvitationPolicy())


def current(conn: Connection) -> InvitationPolicyVersion:
    """Return the newest version."""
    newest = (
        select(policies).where(policies.c.process == INVITATIONS).order_by(policies.c.version.desc()).limit(1)
    )
    row = conn.execute(newest).one_or_none()
    if row is None:
        return _BEFORE_ANY
    return InvitationPolicyVersion(row.version, InvitationPolicy.model_validate(row.body), row.created_at)


def add_version(
    conn: Connection,
    policy: InvitationPolicy,
    *,
    expected_version: int,
    now: datetime,
    created_by: str,
    note: str,
) -> int:
    """Write the version after ``expected_version`` and return its number.

    Raises ``PolicyChanged`` if that is not the newest.
    """
    row = {
        "process": INVITATIONS,
        "version": expected_version + 1,
        "body": policy.model_dump(mode="json"),
        "created_at": now,
        "created_by": created_by,
        "note": note,
    }
    found = current(conn).version
    if found != expected_version or not insert_ignore(conn, policies, [row], conflict=["process", "version"]):
        raise PolicyChanged(current(conn).version)
    return expected_version + 1
