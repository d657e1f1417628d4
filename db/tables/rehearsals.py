"""Rehearsals of campaigns: what was asked, how far one has come, its forecast. All that is kept of them."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, text

from db.tables.base import metadata
from db.types import Id, Json, UtcDateTime

_ACTIVE = text("status IN ('queued', 'running')")

rehearsals = Table(
    "rehearsals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("asked_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("asked_at", UtcDateTime, nullable=False),
    # Plan, policy, behaviour, participants and seed, as they were when it was asked for.
    Column("script", Json, nullable=False),
    Column("temperament", String(16), nullable=False),
    Column("status", String(16), nullable=False, default="queued"),
    # Which try writes: an earlier one that is still about must not.
    Column("attempt", Integer, nullable=False, default=0),
    Column("day", Integer, nullable=False, default=0),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("failure", String(16)),
    Column("forecast", Json),
    # From when on one that has not ended is given up, and from when on it is deleted.
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="status"),
    Index("ix_rehearsals_campaign_id_asked_at", "campaign_id", "asked_at"),
)

# One at a time for each campaign.
Index(
    "uq_rehearsals_active",
    rehearsals.c.campaign_id,
    unique=True,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)
