"""Contributions: activity recorded wherever the community lives, once per source and reference."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from db.tables.base import metadata
from db.types import Id, UtcDateTime

contributions = Table(
    "contributions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("reference", String(160), nullable=False),
    Column("kind", String(24), nullable=False),
    # Whose contribution it is; for a question and a rating: the leader who was asked or rated.
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    # Who asked, rated, shared, read or reported, as the source names them.
    Column("actor_reference", String(160)),
    # For an answer: the reference of its question in the same source.
    Column("answers_reference", String(160)),
    Column("hours_to_answer", Float),
    Column("stars", Integer),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("content_hash", String(64), nullable=False),
    UniqueConstraint("source", "reference"),
    Index("ix_contributions_person_kind_time", "person_id", "kind", "occurred_at"),
    Index("ix_contributions_answers", "source", "answers_reference"),
)
