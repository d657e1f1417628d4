"""Applications, what hangs on them, and the projection of their process."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from db.tables.base import metadata
from db.types import Id, Json, UtcDateTime

policies = Table(
    "policies",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("note", Text, nullable=False, default=""),
)

applications = Table(
    "applications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", Id, ForeignKey("people.id"), nullable=False),
    Column("headline", String(160), nullable=False, default=""),
    Column("bio", Text, nullable=False, default=""),
    Column("statement", Text, nullable=False, default=""),
    Column("tags", Json, nullable=False),
    Column("links", Json, nullable=False),
    Column("edit_version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # The projection: written by the process alone once it runs; ``revision`` only grows.
    Column("status", String(32), nullable=False, default="draft"),
    Column("stage", String(32), nullable=False, default="intake"),
    Column("waiting_on", String(32), nullable=False, default="applicant"),
    Column("next_deadline", UtcDateTime),
    Column("if_nothing_happens", String(32), nullable=False, default="stays_draft"),
    Column("revision", Integer, nullable=False, default=0),
    Column("round", Integer, nullable=False, default=0),
    Column("claimed_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("escalated", Boolean, nullable=False, default=False),
    Column("ballot_id", Id),
    Column("policy_version", Integer),
    Column("clock_offset_seconds", Float, nullable=False, default=0.0),
    Column("flags", Json, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("probation_starts_at", UtcDateTime),
    Column("probation_ends_at", UtcDateTime),
    Column("recommendation", String(16)),
    Column("evaluation", Json),
    Column("appeal_until", UtcDateTime),
    Column("submitted_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("reapply_after", UtcDateTime),
    Column("waiting_since", UtcDateTime),
    Index("ix_applications_person_id_id", "person_id", "id"),
    Index("ix_applications_queue", "stage", "next_deadline", "id"),
    Index("ix_applications_escalated", "escalated", "stage", "next_deadline", "id"),
    Index("ix_applications_claimed_by", "claimed_by", "stage", "next_deadline", "id"),
    Index("ix_applications_status", "status", "id"),
)

# What the staff's search goes through (``db.repositories.queue_search``): of each application that waits its
# text, folded, and the UTF-8 of its grams, so that both databases order them alike. A gram whose text has
# gone would find nothing, so no key of its own ties it to its application: that would take a second index.
application_search = Table(
    "application_search",
    metadata,
    Column("application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
)

application_grams = Table(
    "application_grams",
    metadata,
    Column("gram", LargeBinary(12), primary_key=True),
    Column("application_id", Id, primary_key=True),
    sqlite_with_rowid=False,
)

# The state that a process has reached, written with every step: a process that was cut off after the commit
# and before its answer reads here how far it had come.
process_states = Table(
    "process_states",
    metadata,
    Column("process_id", String(80), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", Json, nullable=False),
)

credential_claims = Table(
    "credential_claims",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("scope", String(80), nullable=False),
    Column("issuer", String(160), nullable=False),
    Column("expires_on", Date),
    Column("document_ids", Json, nullable=False),
    Column("verified_at", UtcDateTime),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("kind", String(32), nullable=False),
    Column("original_name", String(255), nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("storage_name", String(80), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

# The links of submitted applications in comparable form: the same one elsewhere hints at a second account.
link_keys = Table(
    "link_keys",
    metadata,
    Column("application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Index("ix_link_keys_key", "key"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("round", Integer, nullable=False),
    Column("reviewer_id", Id, ForeignKey("people.id"), nullable=False),
    Column("as_lead", Boolean, nullable=False, default=False),
    Column("decision", String(16), nullable=False),
    Column("checklist", Json, nullable=False),
    Column("findings", Json, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("note_id", Id),
    Column("decided_at", UtcDateTime, nullable=False),
    UniqueConstraint("application_id", "round", "reviewer_id"),
)

timeline_entries = Table(
    "timeline_entries",
    metadata,
    Column("process_id", String(80), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("code", String(48), nullable=False),
    Column("actor_id", Id),
    Column("detail", Json, nullable=False),
    Column("note_id", Id),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("period", Integer, primary_key=True),
    Column("week", Integer, primary_key=True),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("figures", Json, nullable=False),
    Column("evaluated_at", UtcDateTime, nullable=False),
)

violations = Table(
    "violations",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "application_id", Id, ForeignKey("applications.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("reported_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("decided_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("note_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("verdict IN ('reported', 'confirmed', 'dismissed')", name="verdict"),
)
