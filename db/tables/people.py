"""People, their roles and circles, and what bars them."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint, func

from db.tables.base import metadata
from db.types import Id, UtcDateTime

people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(320), nullable=False),
    Column("email_normalised", String(320), nullable=False, unique=True),
    Column("display_name", String(120), nullable=False),
    Column("locale", String(8), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("status", String(16), nullable=False, default="active"),
    Column("good_standing", Boolean, nullable=False, default=True),
    Column("list_mail", Boolean, nullable=False, default=True),
    Column("invited_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("joined_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_people_roll", "status", "good_standing", "joined_at", "id"),
)

# Who is mentioned by a name is looked up by it.
Index("ix_people_name", func.lower(people.c.display_name))

role_grants = Table(
    "role_grants",
    metadata,
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("granted_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Index("ix_role_grants_role", "role"),
)

circle_members = Table(
    "circle_members",
    metadata,
    Column("circle", String(80), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_circle_members_person_id", "person_id"),
)

sanctions = Table(
    "sanctions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),
    Column("lifted_at", UtcDateTime),
    Column("created_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
)

declared_conflicts = Table(
    "declared_conflicts",
    metadata,
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("other_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("declared_at", UtcDateTime, nullable=False),
)

leaders = Table(
    "leaders",
    metadata,
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("application_id", Id, ForeignKey("applications.id"), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("tier", String(32), nullable=False),
    UniqueConstraint("application_id"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("process_id", String(80), nullable=False, index=True),
    Column("author_id", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
