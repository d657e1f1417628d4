"""Invitations by mail, the addresses that want none, and the friends whom notes mention."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, text

from db.tables.base import metadata
from db.types import Id, UtcDateTime

_BY_NOTE = text("check_in_id IS NOT NULL")
_HAS_ADDRESS = text("email IS NOT NULL")

invitation_mails = Table(
    "invitation_mails",
    metadata,
    Column("invitation_id", Id, ForeignKey("invitations.id", ondelete="CASCADE"), primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("inviter_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    # Stays when the address is deleted: a mailbox is invited once.
    Column("address_hash", String(64), nullable=False),
    Column("email", String(320)),
    # None where nothing was to be sent: the mailbox wants no invitation, or has one of this campaign.
    Column("mail_id", Id, ForeignKey("mails.id", ondelete="SET NULL")),
    # The check-in whose note invited.
    Column("check_in_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("campaign_id", "inviter_id", "address_hash"),
    Index("ix_invitation_mails_inviter", "inviter_id", "created_at"),
    Index("ix_invitation_mails_address", "address_hash", "created_at"),
    Index("ix_invitation_mails_mail_id", "mail_id"),
)

Index(
    "ix_invitation_mails_check_in",
    invitation_mails.c.check_in_id,
    sqlite_where=_BY_NOTE,
    postgresql_where=_BY_NOTE,
)
Index(
    "ix_invitation_mails_kept",
    invitation_mails.c.created_at,
    sqlite_where=_HAS_ADDRESS,
    postgresql_where=_HAS_ADDRESS,
)

invitation_refusals = Table(
    "invitation_refusals",
    metadata,
    Column("address_hash", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)

mentions = Table(
    "mentions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("check_in_id", Id, ForeignKey("check_ins.id", ondelete="CASCADE"), nullable=False),
    Column("campaign_id", Id, ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("day", Integer, nullable=False),
    Column("author_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    # As it stands in the note, so that the note shows a link there whatever the person is called later.
    Column("name", String(120), nullable=False),
    UniqueConstraint("check_in_id", "person_id"),
    Index("ix_mentions_person", "campaign_id", "person_id", "id"),
)
