"""Mail: a row first, then sent; and what the provider reported."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from db.tables.base import metadata
from db.types import Id, Json, UtcDateTime

mails = Table(
    "mails",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("process_id", String(80)),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), index=True),
    Column("to_email", String(320), nullable=False),
    Column("to_name", String(120), nullable=False),
    Column("locale", String(8), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("template", String(64), nullable=False),
    # Values for the template: codes, ids, times and names, shared by all mails of one fan-out.
    Column("data", Json, nullable=False),
    # A sign-in token: sealed with the secret key, wiped once sent.
    Column("secret_sealed", LargeBinary),
    Column("list_mail", Integer, nullable=False, default=0),
    Column("status", String(16), nullable=False),
    # What counts towards giving up; taken back where the mail was not really offered.
    Column("attempts", Integer, nullable=False, default=0),
    # Only ever rises: tells one claim from the next.
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("postponed_since", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("provider_id", String(160)),
    Column("error", String(240)),
    # A sign-in link does not wait behind the list mail of a ballot: that is claimed last.
    Index("ix_mails_due", "status", "list_mail", "not_before", "id"),
    Index("ix_mails_to_email_id", "to_email", "id"),
)

mail_events = Table(
    "mail_events",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("mail_id", Id, ForeignKey("mails.id", ondelete="CASCADE"), index=True),
    Column("event", String(32), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("email_normalised", String(320), primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
