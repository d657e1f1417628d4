"""Campaigns, who takes part, what they did on which day, and what they were paid for it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.tables.base import metadata
from db.types import Id, Json, UtcDateTime

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("leader_id", Id, ForeignKey("people.id"), nullable=False, index=True),
    Column("template", String(32), nullable=False),
    Column("title", String(120), nullable=False),
    Column("summary", String(300), nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    Column("task", Text, nullable=False, default=""),
    Column("plan", Json, nullable=False),
    Column("edit_version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # The projection: written by the process alone once it runs; ``revision`` only grows.
    Column("status", String(16), nullable=False, default="draft"),
    Column("waiting_on", String(16), nullable=False, default="leader"),
    Column("waiting_since", UtcDateTime),
    Column("next_deadline", UtcDateTime),
    Column("if_nothing_happens", String(32), nullable=False, default="stays_draft"),
    Column("revision", Integer, nullable=False, default=0),
    Column("day", Integer, nullable=False, default=0),
    Column("day_closes_at", UtcDateTime),
    Column("closed_through", Integer, nullable=False, default=0),
    Column("length_days", Integer, nullable=False, default=0),
    Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("reserved", BigInteger, nullable=False, default=0),
    Column("reasons", Json, nullable=False),
    # Written with enrolments. A count of a million rows would make every enrolment slow, so the seats
    # taken and the last number given to somebody waiting are kept.
    Column("seats_taken", Integer, nullable=False, default=0),
    Column("last_in_line", Integer, nullable=False, default=0),
    # The days of each amnesty, which every check-in has to know; the rest is in ``campaign_amnesties``.
    Column("amnesties", Json, nullable=False, default=list),
    Column("policy_version", Integer),
    Column("clock_offset_seconds", Float, nullable=False, default=0.0),
    Column("submitted_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Index("ix_campaigns_status_id", "status", "id"),
)

# Counters follow from the check-ins; they are here so that a check-in reads one row.
enrolments = Table(
    "enrolments",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("status", String(16), nullable=False),
    # A number from 0 to SHARDS - 1 drawn from the person's id: bulk work takes ranges of it.
    Column("shard", Integer, nullable=False),
    Column("enrolled_at", UtcDateTime, nullable=False),
    Column("first_day", Integer, nullable=False),
    Column("reminder_hour", Integer),
    # The number drawn by who waits for a place: the smallest is next.
    Column("in_line", Integer),
    Column("invited_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("new_member", Boolean, nullable=False, default=False),
    Column("days_done", Integer, nullable=False, default=0),
    Column("last_day", Integer, nullable=False, default=0),
    Column("streak", Integer, nullable=False, default=0),
    Column("best_streak", Integer, nullable=False, default=0),
    Column("make_ups_used", Integer, nullable=False, default=0),
    Column("missed", Integer, nullable=False, default=0),
    Column("missed_in_a_row", Integer, nullable=False, default=0),
    Column("closed_through", Integer, nullable=False, default=0),
    Column("friends_activated", Integer, nullable=False, default=0),
    CheckConstraint("status IN ('active', 'waiting', 'left', 'removed')", name="status"),
    # Bulk work goes in the order of people and passes over other shards without reading their rows.
    Index("ix_enrolments_bulk", "campaign_id", "person_id", "shard"),
    Index("ix_enrolments_person_id_campaign_id", "person_id", "campaign_id"),
    sqlite_with_rowid=False,
)

_HAS_FRIENDS = text("friends_activated > 0")
_IN_LINE = text("status = 'waiting'")

# The boards in the order that they are shown in: a page is one run of an index, and so is who is ahead.
Index(
    "ix_enrolments_days",
    enrolments.c.campaign_id,
    enrolments.c.status,
    enrolments.c.days_done.desc(),
    enrolments.c.best_streak.desc(),
    enrolments.c.person_id,
)
Index(
    "ix_enrolments_streak",
    enrolments.c.campaign_id,
    enrolments.c.status,
    enrolments.c.best_streak.desc(),
    enrolments.c.days_done.desc(),
    enrolments.c.person_id,
)
Index(
    "ix_enrolments_invitations",
    enrolments.c.campaign_id,
    enrolments.c.status,
    enrolments.c.friends_activated.desc(),
    enrolments.c.days_done.desc(),
    enrolments.c.person_id,
    sqlite_where=_HAS_FRIENDS,
    postgresql_where=_HAS_FRIENDS,
)
Index(
    "ix_enrolments_in_line",
    enrolments.c.campaign_id,
    enrolments.c.in_line,
    sqlite_where=_IN_LINE,
    postgresql_where=_IN_LINE,
)

check_ins = Table(
    "check_ins",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("kind", String(8), nullable=False, default="day"),
    Column("note", Text, nullable=False, default=""),
    Column("link", String(500)),
    # What the member was answered: the streak then, and the points that it earned.
    Column("streak", Integer, nullable=False, default=0),
    Column("points", Integer, nullable=False, default=0),
    Column("at", UtcDateTime, nullable=False),
    Column("featured_at", UtcDateTime),
    CheckConstraint("kind IN ('day', 'make_up', 'amnesty')", name="kind"),
    Index("ix_check_ins_person", "campaign_id", "person_id", "day"),
    sqlite_with_rowid=False,
)

# One row for each day; the figures are set when it is closed.
campaign_days = Table(
    "campaign_days",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("active", Integer, nullable=False, default=0),
    Column("checked_in", Integer, nullable=False, default=0),
    Column("missed", Integer, nullable=False, default=0),
)

# Who declared an amnesty and why (``note_id``), and how many members its repair has changed so far.
campaign_amnesties = Table(
    "campaign_amnesties",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("days", Json, nullable=False),
    Column("declared_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("declared_at", UtcDateTime, nullable=False),
    Column("note_id", Id),
    Column("members", Integer, nullable=False, default=0),
)

settlements = Table(
    "settlements",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("days_done", Integer, nullable=False),
    Column("completed", Boolean, nullable=False),
    Column("check_in_points", Integer, nullable=False, default=0),
    Column("streak_points", Integer, nullable=False, default=0),
    Column("completion_points", Integer, nullable=False, default=0),
    Column("rank_points", Integer, nullable=False, default=0),
    Column("invitation_points", Integer, nullable=False, default=0),
    Column("certificate_code", String(32)),
    # Hidden by the member, who alone sees it then.
    Column("certificate_hidden_at", UtcDateTime),
    Column("settled_at", UtcDateTime, nullable=False),
    UniqueConstraint("certificate_code"),
    sqlite_with_rowid=False,
)

campaign_reports = Table(
    "campaign_reports",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("figures", Json, nullable=False),
)

# Templates as staff have changed or added them: each change is a version, and the newest counts. Version 0
# of those that are shipped is in the code. ``words`` are the texts by language.
campaign_templates = Table(
    "campaign_templates",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("settings", Json, nullable=False),
    Column("words", Json, nullable=False),
    Column("retired", Boolean, nullable=False, default=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Id, ForeignKey("people.id", ondelete="SET NULL")),
    Column("note", Text, nullable=False, default=""),
)
