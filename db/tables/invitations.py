"""Invitations to campaigns, and the friends who joined by them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from db.tables.base import metadata
from db.types import Id, Json, UtcDateTime

_PERSONAL = text("ended_at IS NULL AND channel <> 'email'")

# A personal code serves any number of friends, one row each in invitation_joins; one by mail serves one.
invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("inviter_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(8), nullable=False),
    # The campaign's day on which it was made, 0 before the first.
    Column("day", Integer, nullable=False, server_default="0"),
    Column("code", String(32), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("opened_at", UtcDateTime),
    # Taken back, used up, or followed by a new one after it had expired.
    Column("ended_at", UtcDateTime),
    CheckConstraint("channel IN ('link', 'qr', 'email')", name="channel"),
)

Index(
    "uq_invitations_personal",
    invitations.c.campaign_id,
    invitations.c.inviter_id,
    invitations.c.channel,
    unique=True,
    sqlite_where=_PERSONAL,
    postgresql_where=_PERSONAL,
)

_PENDING = text("status = 'joined'")
_DOUBTFUL = text("status = 'doubtful'")
_CLIENT_KNOWN = text("client_hash IS NOT NULL")

invitation_joins = Table(
    "invitation_joins",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    # The first join decides for good: once a friend and campaign.
    Column("friend_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Id, nullable=False),
    Column("invitation_id", Id, ForeignKey("invitations.id", ondelete="CASCADE"), nullable=False),
    Column("inviter_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    # Where the inviter stands in the bulk work of the campaign.
    Column("inviter_shard", Integer, nullable=False),
    Column("joined_at", UtcDateTime, nullable=False),
    Column("new_member", Boolean, nullable=False),
    Column("status", String(10), nullable=False),
    Column("reasons", Json, nullable=False),
    # A keyed hash of the client's address: tells that two are the same, and not which.
    Column("client_hash", String(64)),
    Column("activated_at", UtcDateTime),
    Column("decided_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("decided_at", UtcDateTime),
    Column("note_id", Id),
    Column("severed_at", UtcDateTime),
    UniqueConstraint("id"),
    CheckConstraint("status IN ('joined', 'doubtful', 'activated', 'rejected')", name="status"),
    CheckConstraint("friend_id <> inviter_id", name="oneself"),
    Index("ix_invitation_joins_inviter", "inviter_id", "joined_at"),
    Index("ix_invitation_joins_friend_id", "friend_id"),
    Index("ix_invitation_joins_tree", "campaign_id", "inviter_id", "id"),
    sqlite_with_rowid=False,
)

Index(
    "ix_invitation_joins_pending",
    invitation_joins.c.campaign_id,
    invitation_joins.c.inviter_id,
    invitation_joins.c.inviter_shard,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "ix_invitation_joins_client",
    invitation_joins.c.client_hash,
    sqlite_where=_CLIENT_KNOWN,
    postgresql_where=_CLIENT_KNOWN,
)
Index(
    "ix_invitation_joins_doubtful",
    invitation_joins.c.id,
    sqlite_where=_DOUBTFUL,
    postgresql_where=_DOUBTFUL,
)
