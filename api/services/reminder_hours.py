"""The hours at which a campaign reminds its members."""

from typing import Any

from sqlalchemy import Connection, Row

from db.repositories.policies import CAMPAIGNS


def reminder_hours(conn: Connection, row: Row[Any]) -> list[int]:
    """Return the hours of the campaign's day at which its members can be reminded."""
    known = CAMPAIGNS.get(conn, row.policy_version) if row.policy_version else None
    return list((known or CAMPAIGNS.current(conn)).policy.reminder_hours)
