"""Pictures of check-ins, notes that are shown to everybody, and what came of showing them."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table

from db.tables.base import metadata
from db.types import Id, UtcDateTime

# A picture is there before the check-in that names it; one that none has named is swept.
check_in_pictures = Table(
    "check_in_pictures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("check_in_id", Id, ForeignKey("check_ins.id", ondelete="SET NULL"), unique=True),
    Column("media_type", String(32), nullable=False),
    Column("size", Integer, nullable=False),
    Column("storage_name", String(80), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_check_in_pictures_owner", "person_id", "campaign_id"),
    Index("ix_check_in_pictures_unused", "check_in_id", "created_at"),
)

# Notes that their authors keep for the campaign: only those that are kept have a row.
private_notes = Table(
    "private_notes",
    metadata,
    Column("check_in_id", Id, ForeignKey("check_ins.id", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)

# What a member decided about all notes of a campaign; no row: they may be shown under the display name.
sharing_choices = Table(
    "sharing_choices",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("choice", String(10), nullable=False),
    CheckConstraint("choice IN ('named', 'anonymous', 'declined')", name="choice"),
    sqlite_with_rowid=False,
)

# The address of what was taken down stays known, so that it can say so; that needs no person.
featured_notes = Table(
    "featured_notes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("check_in_id", Id, ForeignKey("check_ins.id", ondelete="SET NULL"), unique=True),
    Column("author_id", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("code", String(32), nullable=False, unique=True),
    Column("featured_at", UtcDateTime, nullable=False),
    Column("featured_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("ended_at", UtcDateTime),
    Index("ix_featured_notes_campaign", "campaign_id", "id"),
    Index("ix_featured_notes_author", "author_id", "campaign_id"),
)

# ``visitor`` is a keyed hash: it tells that two visits are one visitor's, and not whose.
share_visits = Table(
    "share_visits",
    metadata,
    Column("featured_id", Id, ForeignKey("featured_notes.id", ondelete="CASCADE"), primary_key=True),
    Column("visitor", String(43), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("referrer_host", String(100), nullable=False, default=""),
    sqlite_with_rowid=False,
)

share_joins = Table(
    "share_joins",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "featured_id", Id, ForeignKey("featured_notes.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("joined_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

# Somebody passed a note on: once for each channel, whoever is signed in by id, others by the keyed hash.
note_shares = Table(
    "note_shares",
    metadata,
    Column("featured_id", Id, ForeignKey("featured_notes.id", ondelete="CASCADE"), primary_key=True),
    Column("sharer", String(43), primary_key=True),
    Column("channel", String(8), primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE")),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("channel IN ('link', 'poster')", name="channel"),
    Index("ix_note_shares_campaign", "campaign_id", "at"),
    Index("ix_note_shares_person", "person_id", "at"),
    sqlite_with_rowid=False,
)
