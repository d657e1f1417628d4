"""The ledger of points: accounts, transfers, postings. Rows of the last two are never changed."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    column,
)

from db.tables.base import metadata
from db.types import Id, UtcDateTime

AccountId = String(64)

# Owners are plain ids: the ledger stays whole when a person is deleted.
point_accounts = Table(
    "point_accounts",
    metadata,
    Column("id", AccountId, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("owner", String(36), nullable=False),
    Column("balance", BigInteger, nullable=False),
    CheckConstraint("id = kind || ':' || owner", name="id"),
    CheckConstraint("balance >= 0 OR kind = 'issued'", name="balance"),
    Index(
        "ix_point_accounts_reserves",
        "id",
        sqlite_where=column("kind") == "reserve",
        postgresql_where=column("kind") == "reserve",
    ),
    sqlite_with_rowid=False,
)

point_transfers = Table(
    "point_transfers",
    metadata,
    Column("id", Id, primary_key=True),
    # Names the fact in the business that it books, so that the fact is booked once.
    Column("key", String(240), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", String(16)),
    Column("source", String(16)),
    # The sponsor or course of a deposit; the campaign of everything else.
    Column("reference", String(160), nullable=False),
    Column("note", Text),
    Column("actor_id", String(36)),
    Column("reverses", Id, ForeignKey("point_transfers.id")),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    UniqueConstraint("key"),
    Index(
        "uq_point_transfers_reverses",
        "reverses",
        unique=True,
        sqlite_where=column("reverses").is_not(None),
        postgresql_where=column("reverses").is_not(None),
    ),
    sqlite_with_rowid=False,
)

point_postings = Table(
    "point_postings",
    metadata,
    Column("transfer_id", Id, ForeignKey("point_transfers.id"), primary_key=True),
    Column("account_id", AccountId, ForeignKey("point_accounts.id"), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_point_postings_account", "account_id", "transfer_id"),
    sqlite_with_rowid=False,
)

# What was moved each day, kept with the transfers themselves: the picture of the pool reads a few rows
# for each day, however many were paid.
point_days = Table(
    "point_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
