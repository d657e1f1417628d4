"""Ballots: the frozen roll and the votes, kept apart so that no row says who voted how."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from db.tables.base import metadata
from db.types import Id, UtcDateTime

ballots = Table(
    "ballots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("process_id", String(80), nullable=False, index=True),
    Column("subject_id", Id, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("candidate_id", Id, ForeignKey("people.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("opens_at", UtcDateTime, nullable=False),
    Column("closes_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("extended", Boolean, nullable=False, default=False),
    Column("roll_size", Integer, nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("quorum_share", Float, nullable=False),
    Column("approval_share", Float, nullable=False),
    Column("clock_offset_seconds", Float, nullable=False, default=0.0),
    Column("yes", Integer),
    Column("no", Integer),
    Column("abstain", Integer),
    Column("outcome", String(16)),
    Index("ix_ballots_status_id", "status", "id"),
)

ballot_roll = Table(
    "ballot_roll",
    metadata,
    Column("ballot_id", Id, ForeignKey("ballots.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("has_voted", Boolean, nullable=False, default=False),
    UniqueConstraint("ballot_id", "position"),
    Index("ix_ballot_roll_person_id_ballot_id", "person_id", "ballot_id"),
    sqlite_with_rowid=False,
)

# No person, no time, no order of arrival: the key is the receipt, which is a hash.
ballot_votes = Table(
    "ballot_votes",
    metadata,
    Column("ballot_id", Id, ForeignKey("ballots.id", ondelete="CASCADE"), primary_key=True),
    Column("receipt", String(32), primary_key=True),
    Column("choice", String(8), nullable=False),
    sqlite_with_rowid=False,
)
