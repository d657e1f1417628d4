"""Putting very many rows into a fresh database: COPY on PostgreSQL, one transaction on SQLite.

Nothing here is measured. Indexes are made after the rows, and references are not checked: whoever writes
the rows knows that they hold.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import psycopg
from sqlalchemy import Column, Table

from db.statements import chunked
from db.urls import normalise_url, sqlite_file

LINES: Final = 5_000
CACHE_KIB: Final = 400_000

Values = Sequence[Any]
"""One row: instants as text (RFC 3339), everything else as it is."""


def load(url: str, table: Table, names: Sequence[str], rows: Iterable[Values]) -> None:
    """Add ``rows`` with the columns ``names`` to a table; columns left out take their defaults."""
    filled, constants = _defaults(table, names)
    columns = [*names, *filled]
    if normalise_url(url).get_backend_name() == "sqlite":
        _load_sqlite(url, table.name, columns, (tuple(row) + constants for row in rows))
    else:
        _load_postgres(url, table.name, columns, (tuple(row) + constants for row in rows))


def tidy(url: str) -> None:
    """Have the database know what is in its tables, as it would soon by itself, and rest on the disk."""
    if normalise_url(url).get_backend_name() == "sqlite":
        connection = sqlite3.connect(sqlite_file(normalise_url(url)), isolation_level=None)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as connected:
        connected.execute("VACUUM ANALYZE")
        connected.execute("CHECKPOINT")


def _defaults(table: Table, names: Sequence[str]) -> tuple[list[str], tuple[Any, ...]]:
    given, found = set(names), {}
    for column in table.columns:
        if column.name not in given and not column.nullable:
            found[column.name] = _default(column)
    return list(found), tuple(found.values())


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    if default is None or not default.is_scalar:
        raise ValueError(f"{column} has no plain default: give it a value")
    return default.arg


def _load_sqlite(url: str, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
    connection = sqlite3.connect(sqlite_file(normalise_url(url)), isolation_level=None)
    for setting in (f"cache_size = -{CACHE_KIB}", "synchronous = OFF", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("BEGIN IMMEDIATE")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        (table,),
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    places = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)
    for _, statement in indexes:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


_INDEXES: Final = """
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND schemaname = current_schema()
    AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def _load_postgres(url: str, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        # Only a superuser may: references are then not looked up for each row.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        indexes = cursor.execute(_INDEXES, (table,)).fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"'.encode())
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as stream:
            for chunk in chunked(_lines(rows), LINES):
                stream.write("".join(chunk))
        for _, statement in indexes:
            cursor.execute(statement.encode())


def _lines(rows: Iterable[Values]) -> Iterator[str]:
    """Rows in the text format of COPY; no value here holds what would need escaping there."""
    for row in rows:
        yield "\t".join("\\N" if value is None else str(value) for value in row) + "\n"
