"""All tables of the ground floor and of vetting, and the first policy.

Revision: 0001, the first
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What version 1 of the policy says for ever, whatever the defaults become.
POLICY = {
    "intake": {"max_file_bytes": 10485760, "max_files": 10},
    "review": {
        "reviewers": 2,
        "reminder_after_days": 3,
        "escalation_after_days": 5,
        "changes_window_days": 14,
        "changes_reminder_days": [7, 12],
    },
    "vote": {
        "window_days": 7,
        "extension_days": 3,
        "reminder_before_close_hours": 24,
        "member_for_days": 30,
        "quorum_share": 0.1,
        "quorum_minimum": 5,
        "approval_share": 0.6,
        "mail_shards": 8,
    },
    "probation": {
        "length_days": 60,
        "extension_days": 30,
        "posts_a_week": 2,
        "steady_weeks_share": 0.8,
        "answer_within_hours": 72,
        "answered_share": 0.7,
        "rating_minimum": 4.0,
        "ratings_needed": 10,
        "decision_reminder_days": 3,
        "decision_escalation_days": 5,
    },
    "appeal": {"window_days": 14, "decision_days": 7, "reminder_after_days": 5},
    "cooldown_days": 90,
    "fraud_cooldown_days": 365,
}


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_normalised", sa.String(length=320), nullable=False),
        sa.Column("display_name", sa.String(length=120), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("good_standing", sa.Boolean(), nullable=False),
        sa.Column("list_mail", sa.Boolean(), nullable=False),
        sa.Column("invited_by", sa.String(length=36), nullable=True),
        sa.Column("joined_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["people.id"], name=op.f("fk_people_invited_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email_normalised", name=op.f("uq_people_email_normalised")),
    )
    with op.batch_alter_table("people") as batch_op:
        batch_op.create_index("ix_people_roll", ["status", "good_standing", "joined_at", "id"], unique=False)

    op.create_table(
        "process_states",
        sa.Column("process_id", sa.String(length=80), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", db.types.Json, nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_process_states")),
    )
    op.create_table(
        "rate_counters",
        sa.Column("bucket", sa.String(length=160), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "window", name=op.f("pk_rate_counters")),
    )
    op.create_table(
        "suppressions",
        sa.Column("email_normalised", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("email_normalised", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "timeline_entries",
        sa.Column("process_id", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", db.types.UtcDateTime(), nullable=False),
        sa.Column("recorded_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("code", sa.String(length=48), nullable=False),
        sa.Column("actor_id", sa.String(length=36), nullable=True),
        sa.Column("detail", db.types.Json, nullable=False),
        sa.Column("note_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("process_id", "seq", name=op.f("pk_timeline_entries")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("scopes", db.types.Json, nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("last_used_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("expires_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("revoked_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("second_factor_at", db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_api_tokens_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    with op.batch_alter_table("api_tokens") as batch_op:
        batch_op.create_index(batch_op.f("ix_api_tokens_person_id"), ["person_id"], unique=False)

    op.create_table(
        "applications",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("headline", sa.String(length=160), nullable=False),
        sa.Column("bio", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("tags", db.types.Json, nullable=False),
        sa.Column("links", db.types.Json, nullable=False),
        sa.Column("edit_version", sa.Integer(), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("waiting_on", sa.String(length=32), nullable=False),
        sa.Column("next_deadline", db.types.UtcDateTime(), nullable=True),
        sa.Column("if_nothing_happens", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=36), nullable=True),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.Column("ballot_id", sa.String(length=36), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("clock_offset_seconds", sa.Float(), nullable=False),
        sa.Column("flags", db.types.Json, nullable=False),
        sa.Column("reasons", db.types.Json, nullable=False),
        sa.Column("probation_starts_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("probation_ends_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("recommendation", sa.String(length=16), nullable=True),
        sa.Column("evaluation", db.types.Json, nullable=True),
        sa.Column("appeal_until", db.types.UtcDateTime(), nullable=True),
        sa.Column("submitted_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("reapply_after", db.types.UtcDateTime(), nullable=True),
        sa.Column("waiting_since", db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["claimed_by"], ["people.id"], name=op.f("fk_applications_claimed_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_applications_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    with op.batch_alter_table("applications") as batch_op:
        batch_op.create_index(
            "ix_applications_claimed_by", ["claimed_by", "stage", "next_deadline", "id"], unique=False
        )
        batch_op.create_index(
            "ix_applications_escalated", ["escalated", "stage", "next_deadline", "id"], unique=False
        )
        batch_op.create_index("ix_applications_person_id_id", ["person_id", "id"], unique=False)
        batch_op.create_index("ix_applications_queue", ["stage", "next_deadline", "id"], unique=False)
        batch_op.create_index("ix_applications_status", ["status", "id"], unique=False)

    op.create_table(
        "ballots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("process_id", sa.String(length=80), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("candidate_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("opens_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("closes_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("closed_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("roll_size", sa.Integer(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("quorum_share", sa.Float(), nullable=False),
        sa.Column("approval_share", sa.Float(), nullable=False),
        sa.Column("clock_offset_seconds", sa.Float(), nullable=False),
        sa.Column("yes", sa.Integer(), nullable=True),
        sa.Column("no", sa.Integer(), nullable=True),
        sa.Column("abstain", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["candidate_id"], ["people.id"], name=op.f("fk_ballots_candidate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballots")),
    )
    with op.batch_alter_table("ballots") as batch_op:
        batch_op.create_index(batch_op.f("ix_ballots_process_id"), ["process_id"], unique=False)
        batch_op.create_index("ix_ballots_status_id", ["status", "id"], unique=False)

    op.create_table(
        "circle_members",
        sa.Column("circle", sa.String(length=80), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_circle_members_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("circle", "person_id", name=op.f("pk_circle_members")),
    )
    with op.batch_alter_table("circle_members") as batch_op:
        batch_op.create_index("ix_circle_members_person_id", ["person_id"], unique=False)

    op.create_table(
        "contributions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("actor_reference", sa.String(length=160), nullable=True),
        sa.Column("answers_reference", sa.String(length=160), nullable=True),
        sa.Column("hours_to_answer", sa.Float(), nullable=True),
        sa.Column("stars", sa.Integer(), nullable=True),
        sa.Column("occurred_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("recorded_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_contributions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contributions")),
        sa.UniqueConstraint("source", "reference", name=op.f("uq_contributions_source_reference")),
    )
    with op.batch_alter_table("contributions") as batch_op:
        batch_op.create_index("ix_contributions_answers", ["source", "answers_reference"], unique=False)
        batch_op.create_index(
            "ix_contributions_person_kind_time", ["person_id", "kind", "occurred_at"], unique=False
        )

    op.create_table(
        "declared_conflicts",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("other_id", sa.String(length=36), nullable=False),
        sa.Column("declared_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["other_id"], ["people.id"], name=op.f("fk_declared_conflicts_other_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_declared_conflicts_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "other_id", name=op.f("pk_declared_conflicts")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("route", sa.String(length=160), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", db.types.Json, nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_idempotency_keys_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "route", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys") as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_created_at"), ["created_at"], unique=False)

    op.create_table(
        "magic_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("consumed_at", db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_magic_links_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_magic_links")),
    )
    with op.batch_alter_table("magic_links") as batch_op:
        batch_op.create_index(batch_op.f("ix_magic_links_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_magic_links_person_id"), ["person_id"], unique=False)

    op.create_table(
        "mails",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("process_id", sa.String(length=80), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("to_email", sa.String(length=320), nullable=False),
        sa.Column("to_name", sa.String(length=120), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("data", db.types.Json, nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("list_mail", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", db.types.UtcDateTime(), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("sent_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("settled_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("provider_id", sa.String(length=160), nullable=True),
        sa.Column("error", sa.String(length=240), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_mails_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("key", name=op.f("uq_mails_key")),
    )
    with op.batch_alter_table("mails") as batch_op:
        batch_op.create_index("ix_mails_due", ["status", "list_mail", "not_before", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_mails_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_mails_process_id"), ["process_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_mails_provider_id"), ["provider_id"], unique=False)
        batch_op.create_index("ix_mails_to_email_id", ["to_email", "id"], unique=False)

    op.create_table(
        "notes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("process_id", sa.String(length=80), nullable=False),
        sa.Column("author_id", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["people.id"], name=op.f("fk_notes_author_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    with op.batch_alter_table("notes") as batch_op:
        batch_op.create_index(batch_op.f("ix_notes_process_id"), ["process_id"], unique=False)

    op.create_table(
        "policies",
        sa.Column("process", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", db.types.Json, nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["people.id"], name=op.f("fk_policies_created_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("process", "version", name=op.f("pk_policies")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_recovery_codes_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "role_grants",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("granted_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("granted_by", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["granted_by"], ["people.id"], name=op.f("fk_role_grants_granted_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_role_grants_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "role", name=op.f("pk_role_grants")),
    )
    with op.batch_alter_table("role_grants") as batch_op:
        batch_op.create_index("ix_role_grants_role", ["role"], unique=False)

    op.create_table(
        "sanctions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("starts_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("ends_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("lifted_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["people.id"], name=op.f("fk_sanctions_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_sanctions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sanctions")),
    )
    with op.batch_alter_table("sanctions") as batch_op:
        batch_op.create_index(batch_op.f("ix_sanctions_person_id"), ["person_id"], unique=False)

    op.create_table(
        "second_factors",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_second_factors_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("second_factor_at", db.types.UtcDateTime(), nullable=True),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_sessions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_person_id"), ["person_id"], unique=False)

    op.create_table(
        "ballot_roll",
        sa.Column("ballot_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("has_voted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ballot_id"], ["ballots.id"], name=op.f("fk_ballot_roll_ballot_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_ballot_roll_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ballot_id", "person_id", name=op.f("pk_ballot_roll")),
        sa.UniqueConstraint("ballot_id", "position", name=op.f("uq_ballot_roll_ballot_id_position")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ballot_roll") as batch_op:
        batch_op.create_index("ix_ballot_roll_person_id_ballot_id", ["person_id", "ballot_id"], unique=False)

    op.create_table(
        "ballot_votes",
        sa.Column("ballot_id", sa.String(length=36), nullable=False),
        sa.Column("receipt", sa.String(length=32), nullable=False),
        sa.Column("choice", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["ballot_id"], ["ballots.id"], name=op.f("fk_ballot_votes_ballot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ballot_id", "receipt", name=op.f("pk_ballot_votes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credential_claims",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("issuer", sa.String(length=160), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("document_ids", db.types.Json, nullable=False),
        sa.Column("verified_at", db.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_credential_claims_application_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential_claims")),
    )
    with op.batch_alter_table("credential_claims") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_credential_claims_application_id"), ["application_id"], unique=False
        )

    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("original_name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_name", sa.String(length=80), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_documents_application_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("storage_name", name=op.f("uq_documents_storage_name")),
    )
    with op.batch_alter_table("documents") as batch_op:
        batch_op.create_index(batch_op.f("ix_documents_application_id"), ["application_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_documents_sha256"), ["sha256"], unique=False)

    op.create_table(
        "evaluations",
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("week", sa.Integer(), nullable=False),
        sa.Column("starts_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("ends_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("figures", db.types.Json, nullable=False),
        sa.Column("evaluated_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_evaluations_application_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("application_id", "period", "week", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "leaders",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("since", db.types.UtcDateTime(), nullable=False),
        sa.Column("tier", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("fk_leaders_application_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_leaders_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_leaders")),
        sa.UniqueConstraint("application_id", name=op.f("uq_leaders_application_id")),
    )
    op.create_table(
        "link_keys",
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_link_keys_application_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("application_id", "key", name=op.f("pk_link_keys")),
    )
    with op.batch_alter_table("link_keys") as batch_op:
        batch_op.create_index("ix_link_keys_key", ["key"], unique=False)

    op.create_table(
        "mail_events",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=True),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("occurred_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("recorded_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mails.id"], name=op.f("fk_mail_events_mail_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_events")),
    )
    with op.batch_alter_table("mail_events") as batch_op:
        batch_op.create_index(batch_op.f("ix_mail_events_mail_id"), ["mail_id"], unique=False)

    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.String(length=36), nullable=False),
        sa.Column("as_lead", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("checklist", db.types.Json, nullable=False),
        sa.Column("findings", db.types.Json, nullable=False),
        sa.Column("reasons", db.types.Json, nullable=False),
        sa.Column("note_id", sa.String(length=36), nullable=True),
        sa.Column("decided_at", db.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_reviews_application_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["people.id"], name=op.f("fk_reviews_reviewer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint(
            "application_id", "round", "reviewer_id", name=op.f("uq_reviews_application_id_round_reviewer_id")
        ),
    )
    with op.batch_alter_table("reviews") as batch_op:
        batch_op.create_index(batch_op.f("ix_reviews_application_id"), ["application_id"], unique=False)

    op.create_table(
        "violations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", db.types.UtcDateTime(), nullable=False),
        sa.Column("reported_by", sa.String(length=36), nullable=True),
        sa.Column("decided_by", sa.String(length=36), nullable=True),
        sa.Column("note_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", db.types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('reported', 'confirmed', 'dismissed')", name=op.f("ck_violations_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_violations_application_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["people.id"], name=op.f("fk_violations_decided_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_violations_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reported_by"], ["people.id"], name=op.f("fk_violations_reported_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violations")),
    )
    with op.batch_alter_table("violations") as batch_op:
        batch_op.create_index(batch_op.f("ix_violations_application_id"), ["application_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_violations_person_id"), ["person_id"], unique=False)

    policies = sa.table(
        "policies",
        sa.column("process", sa.String()),
        sa.column("version", sa.Integer()),
        sa.column("body", db.types.Json),
        sa.column("created_at", db.types.UtcDateTime()),
        sa.column("note", sa.Text()),
    )
    first = {"process": "vetting", "version": 1, "body": POLICY, "created_at": datetime.now(UTC), "note": ""}
    op.bulk_insert(policies, [first])


def downgrade() -> None:
    with op.batch_alter_table("violations") as batch_op:
        batch_op.drop_index(batch_op.f("ix_violations_person_id"))
        batch_op.drop_index(batch_op.f("ix_violations_application_id"))

    op.drop_table("violations")
    with op.batch_alter_table("reviews") as batch_op:
        batch_op.drop_index(batch_op.f("ix_reviews_application_id"))

    op.drop_table("reviews")
    with op.batch_alter_table("mail_events") as batch_op:
        batch_op.drop_index(batch_op.f("ix_mail_events_mail_id"))

    op.drop_table("mail_events")
    with op.batch_alter_table("link_keys") as batch_op:
        batch_op.drop_index("ix_link_keys_key")

    op.drop_table("link_keys")
    op.drop_table("leaders")
    op.drop_table("evaluations")
    with op.batch_alter_table("documents") as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_sha256"))
        batch_op.drop_index(batch_op.f("ix_documents_application_id"))

    op.drop_table("documents")
    with op.batch_alter_table("credential_claims") as batch_op:
        batch_op.drop_index(batch_op.f("ix_credential_claims_application_id"))

    op.drop_table("credential_claims")
    op.drop_table("ballot_votes")
    with op.batch_alter_table("ballot_roll") as batch_op:
        batch_op.drop_index("ix_ballot_roll_person_id_ballot_id")

    op.drop_table("ballot_roll")
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_person_id"))
        batch_op.drop_index(batch_op.f("ix_sessions_expires_at"))

    op.drop_table("sessions")
    op.drop_table("second_factors")
    with op.batch_alter_table("sanctions") as batch_op:
        batch_op.drop_index(batch_op.f("ix_sanctions_person_id"))

    op.drop_table("sanctions")
    with op.batch_alter_table("role_grants") as batch_op:
        batch_op.drop_index("ix_role_grants_role")

    op.drop_table("role_grants")
    op.drop_table("recovery_codes")
    op.drop_table("policies")
    with op.batch_alter_table("notes") as batch_op:
        batch_op.drop_index(batch_op.f("ix_notes_process_id"))

    op.drop_table("notes")
    with op.batch_alter_table("mails") as batch_op:
        batch_op.drop_index("ix_mails_to_email_id")
        batch_op.drop_index(batch_op.f("ix_mails_provider_id"))
        batch_op.drop_index(batch_op.f("ix_mails_process_id"))
        batch_op.drop_index(batch_op.f("ix_mails_person_id"))
        batch_op.drop_index("ix_mails_due")

    op.drop_table("mails")
    with op.batch_alter_table("magic_links") as batch_op:
        batch_op.drop_index(batch_op.f("ix_magic_links_person_id"))
        batch_op.drop_index(batch_op.f("ix_magic_links_expires_at"))

    op.drop_table("magic_links")
    with op.batch_alter_table("idempotency_keys") as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_keys_created_at"))

    op.drop_table("idempotency_keys")
    op.drop_table("declared_conflicts")
    with op.batch_alter_table("contributions") as batch_op:
        batch_op.drop_index("ix_contributions_person_kind_time")
        batch_op.drop_index("ix_contributions_answers")

    op.drop_table("contributions")
    with op.batch_alter_table("circle_members") as batch_op:
        batch_op.drop_index("ix_circle_members_person_id")

    op.drop_table("circle_members")
    with op.batch_alter_table("ballots") as batch_op:
        batch_op.drop_index("ix_ballots_status_id")
        batch_op.drop_index(batch_op.f("ix_ballots_process_id"))

    op.drop_table("ballots")
    with op.batch_alter_table("applications") as batch_op:
        batch_op.drop_index("ix_applications_status")
        batch_op.drop_index("ix_applications_queue")
        batch_op.drop_index("ix_applications_person_id_id")
        batch_op.drop_index("ix_applications_escalated")
        batch_op.drop_index("ix_applications_claimed_by")

    op.drop_table("applications")
    with op.batch_alter_table("api_tokens") as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_tokens_person_id"))

    op.drop_table("api_tokens")
    op.drop_table("timeline_entries")
    op.drop_table("suppressions")
    op.drop_table("rate_counters")
    op.drop_table("process_states")
    with op.batch_alter_table("people") as batch_op:
        batch_op.drop_index("ix_people_roll")

    op.drop_table("people")
