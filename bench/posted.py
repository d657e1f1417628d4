"""What a part of a settlement wrote, and the bare bulk insert of the very same rows through the driver."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import psycopg

from db.urls import normalise_url, sqlite_file

Rows = Sequence[tuple[Any, ...]]

_MEMBERS: Final = "FROM enrolments WHERE shard >= {first} AND shard < {last}"
_PEOPLE: Final = f"SELECT person_id {_MEMBERS}"
_ACCOUNTS: Final = f"SELECT 'available:' || person_id {_MEMBERS}"
_TRANSFERS: Final = f"SELECT transfer_id FROM point_postings WHERE account_id IN ({_ACCOUNTS})"
_WRITTEN: Final = {
    "point_accounts": f"id IN ({_ACCOUNTS}) ORDER BY id",
    "point_transfers": f"id IN ({_TRANSFERS}) ORDER BY id",
    "point_postings": f"transfer_id IN ({_TRANSFERS}) ORDER BY transfer_id",
    "settlements": f"person_id IN ({_PEOPLE}) ORDER BY person_id",
    "mails": f"person_id IN ({_PEOPLE}) ORDER BY id",
}
"""The tables in the order in which they refer to one another, and what a settlement wrote into them."""


def read(url: str, first: int, last: int) -> dict[str, Rows]:
    """Return what was written for the members with shard numbers in ``[first, last)``, by table."""
    shards = {"first": first, "last": last}
    if _is_sqlite(url):
        with closing(_opened(url)) as connection:
            return {
                table: connection.execute(f"SELECT * FROM {table} WHERE {which.format(**shards)}").fetchall()
                for table, which in _WRITTEN.items()
            }
    with psycopg.connect(url) as connected:
        found: dict[str, Rows] = {}
        for table, which in _WRITTEN.items():
            described = connected.execute(f"SELECT * FROM {table} LIMIT 0".encode()).description
            columns = [column.name for column in described or ()]
            # As text: psycopg would turn JSON into objects that it cannot send back.
            listed = ", ".join(f"{name}::text" if name == "data" else name for name in columns)
            statement = f"SELECT {listed} FROM {table} WHERE {which.format(**shards)}"
            found[table] = connected.execute(statement.encode()).fetchall()
        return found


def write(url: str, rows: dict[str, Rows]) -> dict[str, float]:
    """Insert all of it, each table in a durable transaction of its own; return each one's seconds."""
    insert = _into_sqlite if _is_sqlite(url) else _into_postgresql
    with closing(_opened(url) if _is_sqlite(url) else psycopg.connect(url)) as connection:
        taken = {}
        for table, some in rows.items():
            before = time.perf_counter()
            insert(connection, table, some)
            taken[table] = time.perf_counter() - before
        return taken


def _into_sqlite(connection: Any, table: str, rows: Rows) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.execute("COMMIT")


def _into_postgresql(connection: Any, table: str, rows: Rows) -> None:
    places = ", ".join(["%s"] * len(rows[0]))
    connection.cursor().executemany(f"INSERT INTO {table} VALUES ({places})".encode(), rows)
    connection.commit()


def _is_sqlite(url: str) -> bool:
    return normalise_url(url).get_backend_name() == "sqlite"


def _opened(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(sqlite_file(normalise_url(url)), isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000"):
        connection.execute(f"PRAGMA {setting}")
    return connection
