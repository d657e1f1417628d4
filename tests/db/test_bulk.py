"""Rows go in at once, in as many steps as it takes; those that are there stay as they are."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, select

from db.bulk import SQLITE_ROWS, BulkInsert
from db.database import Database
from db.tables.mail import suppressions

AT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
INSERT = BulkInsert(suppressions, ("email_normalised", "reason", "created_at"), conflict=["email_normalised"])


@pytest.mark.parametrize("count", [0, 1, SQLITE_ROWS, SQLITE_ROWS + 1, 2 * SQLITE_ROWS + 203])
async def test_rows_that_are_new_go_in_and_are_counted(db: Database, count: int):
    rows = [(f"member{number:05}@people.example", "bounced", AT) for number in range(count)]
    there = [(address, "unsubscribed", AT) for address, *_ in rows[::3]]

    def kept(conn: Connection) -> list[tuple[str, str, datetime]]:
        columns = (suppressions.c.email_normalised, suppressions.c.reason, suppressions.c.created_at)
        return [tuple(row) for row in conn.execute(select(*columns).order_by(columns[0]))]

    assert await db.write(lambda conn: INSERT.run(conn, there)) == len(there)
    assert await db.write(lambda conn: INSERT.run(conn, rows)) == count - len(there)
    assert await db.read(kept) == sorted({row[0]: row for row in [*rows, *there]}.values())
