"""A migrated PostgreSQL database that one test after the other borrows, emptied in between.

Emptying costs a twentieth of a fresh copy. Whatever emptying cannot undo (a changed schema, files that
grew, a connection that stays open) makes the database one to throw away.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection, sql

from tests.support.postgres import create_database, drop_database

QUIET_SECONDS = 5.0
MOST_GROWN = 8 * 1024 * 1024

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SAVE, _RESTORE = sql.SQL("COPY {} TO STDOUT"), sql.SQL("COPY {} FROM STDIN")
_RESTART = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"
_SIZE = "SELECT pg_database_size(current_database())"
# Every change of a table, an index, a column, a trigger or a function makes a new version of a row here.
_SCHEMA = """
SELECT md5(string_agg(version, ',' ORDER BY version)) FROM (
    SELECT 'c' || oid || ':' || xmin AS version FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'a' || attrelid || '.' || attnum || ':' || xmin FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT 't' || oid || ':' || xmin FROM pg_trigger
    UNION ALL SELECT 'k' || oid || ':' || xmin FROM pg_constraint
    UNION ALL SELECT 'f' || oid || ':' || xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS versions
"""


@dataclass(frozen=True)
class _Pristine:
    """What a database is like before anybody used it; ``rows`` are those that migrations put in."""

    url: str
    tables: tuple[str, ...]
    rows: dict[str, bytes]
    schema: str
    size: int


@dataclass
class LentDatabases:
    """Copies of the migrated ``template``, lent to one borrower at a time."""

    admin_url: str
    template: str
    _free: list[_Pristine] = field(default_factory=list)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Yield the URL of a migrated, empty database (about 10 ms; the first one half a second)."""
        place = self._free.pop() if self._free else self._make()
        kept = False
        try:
            yield place.url
            kept = _emptied(place)
        finally:
            if kept:
                self._free.append(place)
            else:
                drop_database(self.admin_url, _name(place.url))

    def _make(self) -> _Pristine:
        url = create_database(self.admin_url, f"test_{uuid.uuid4().hex[:12]}", self.template)
        with psycopg.connect(url) as connection:
            tables = tuple(str(row[0]) for row in connection.execute(_TABLES))
            rows = {table: content for table in tables if (content := _content(connection, table))}
            schema, size = str(_one(connection, _SCHEMA)), int(str(_one(connection, _SIZE)))
        return _Pristine(url, tables, rows, schema, size)


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _one(connection: Connection, statement: str) -> object:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def _content(connection: Connection, table: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(_SAVE.format(sql.Identifier(table))) as copied:
        return b"".join(bytes(part) for part in copied)


def _emptied(place: _Pristine) -> bool:
    """Bring the database back to what it was; tell whether it is."""
    try:
        with psycopg.connect(place.url) as connection:
            if not _left_alone(connection):
                return False
            if _one(connection, _SCHEMA) != place.schema:
                return False
            if int(str(_one(connection, _SIZE))) > place.size + MOST_GROWN:
                return False
            _empty(connection, place)
    except psycopg.Error:
        return False
    return True


def _left_alone(connection: Connection) -> bool:
    """Wait until nobody else is connected: connections end a moment after their client."""
    deadline = time.monotonic() + QUIET_SECONDS
    while _one(connection, _OTHERS):
        connection.rollback()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _empty(connection: Connection, place: _Pristine) -> None:
    # Foreign keys and guards of the rows are triggers, which do not fire for a replica.
    connection.execute("SET LOCAL session_replication_role = replica")
    delete = sql.SQL("DELETE FROM {}")
    connection.execute(sql.SQL(";").join(delete.format(sql.Identifier(table)) for table in place.tables))
    connection.execute(_RESTART)
    for table, content in place.rows.items():
        with connection.cursor() as cursor, cursor.copy(_RESTORE.format(sql.Identifier(table))) as copied:
            copied.write(content)
