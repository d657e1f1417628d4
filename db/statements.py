"""Statements that SQLite and PostgreSQL share, though SQLAlchemy gives each its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
T = TypeVar("T")


def insert_into(conn: Connection, table: Table) -> Any:
    """Return the dialect's own INSERT, which has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def chunked(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield ``rows`` in lists of at most ``size``."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_ignore(
    conn: Connection, table: Table, rows: Sequence[Row], *, conflict: Sequence[str] | None = None
) -> int:
    """Insert ``rows`` and skip those whose key is taken; return how many went in.

    ``conflict`` names the columns of one unique key: other conflicts then raise. All rows must
    have the same columns.
    """
    if not rows:
        return 0
    statement = insert_into(conn, table).on_conflict_do_nothing(index_elements=conflict)
    # Without the option a plain psycopg connection answers -1.
    options = {"preserve_rowcount": True}
    return int(conn.execute(statement, list(rows), execution_options=options).rowcount)


def upsert(
    conn: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    conflict: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert ``rows``; where the key ``conflict`` is taken, set the columns ``update`` (default: others)."""
    if not rows:
        return
    statement = insert_into(conn, table)
    names = update if update is not None else [name for name in rows[0] if name not in conflict]
    statement = statement.on_conflict_do_update(
        index_elements=conflict, set_={name: statement.excluded[name] for name in names}
    )
    conn.execute(statement, list(rows))
