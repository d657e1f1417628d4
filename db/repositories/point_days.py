"""What was moved on each day (UTC), by kind and source: kept with the transfers, in their transactions."""

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from db.statements import insert_into
from db.tables.points import point_days
from domain.points import Change, TransferKind


def add(conn: Connection, at: datetime, kind: TransferKind, source: str, amount: int) -> None:
    """Add ``amount`` points to the day of ``at``; negative for a reversal. The last lock of a transfer."""
    statement = insert_into(conn, point_days).values(
        day=at.astimezone(UTC).date(), kind=kind.value, source=source, amount=amount
    )
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "kind", "source"],
            set_={"amount": point_days.c.amount + statement.excluded.amount},
        )
    )


def changes(conn: Connection) -> list[Change]:
    """Return every sum there is, oldest first: a few rows a day."""
    rows = conn.execute(select(point_days).order_by(point_days.c.day))
    return [Change(row.day, TransferKind(row.kind), row.source, row.amount) for row in rows]
