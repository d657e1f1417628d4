"""Inserting thousands of rows at once, skipping those whose key is taken.

SQLAlchemy describes every row of such a statement anew, which takes several times as long as the database
takes to write it. Here a statement is described once: SQLite's driver takes the rows as they are, and
PostgreSQL takes one array for each column, where a row each would be a message each.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

Values = Sequence[Any]
"""One row, in the order of the columns named."""

_COUNTED: Final = {"preserve_rowcount": True}
_POSTGRESQL: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


class BulkInsert:
    """An INSERT into ``table`` of the columns ``names`` that skips rows whose key ``conflict`` is taken."""

    def __init__(self, table: Table, names: Sequence[str], *, conflict: Sequence[str]) -> None:
        self._table = table
        self._columns = [table.c[name] for name in names]
        self._conflict = ", ".join(conflict)

    def run(self, conn: Connection, rows: Sequence[Values]) -> int:
        """Insert ``rows`` in the caller's transaction; return how many went in. Other conflicts raise."""
        if not rows:
            return 0
        prepare = _for_postgresql if conn.dialect.name == "postgresql" else _for_sqlite
        statement, converters = prepare(self, conn.dialect)
        given = [
            column if convert is None else _converted(column, convert)
            for column, convert in zip(zip(*rows, strict=True), converters, strict=True)
        ]
        if conn.dialect.name != "postgresql":
            return int(conn.exec_driver_sql(statement, list(zip(*given, strict=True)), _COUNTED).rowcount)
        arrays = tuple(list(column) for column in given)
        return int(conn.exec_driver_sql(statement, arrays, _COUNTED).rowcount)

    def _text(self, values: str) -> str:
        names = ", ".join(f'"{column.name}"' for column in self._columns)
        return f"INSERT INTO {self._table.name} ({names}) {values} ON CONFLICT ({self._conflict}) DO NOTHING"


def _converted(column: Values, convert: Callable[[Any], Any]) -> list[Any]:
    """Convert the values of a column; the same object in many rows, an instant say, once."""
    found, last, converted = [], None, convert(None)
    for value in column:
        if value is not last:
            last, converted = value, convert(value)
        found.append(converted)
    return found


Converters = Sequence[Callable[[Any], Any] | None]


@lru_cache(maxsize=64)
def _for_sqlite(insert: BulkInsert, dialect: Dialect) -> tuple[str, Converters]:
    converters = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in insert._columns]
    return insert._text(f"VALUES ({', '.join('?' * len(converters))})"), converters


@lru_cache(maxsize=64)
def _for_postgresql(insert: BulkInsert, _dialect: Dialect) -> tuple[str, Converters]:
    kinds = [_kind(column) for column in insert._columns]
    names = [f"c{number}" for number in range(len(kinds))]
    # A list of JSON goes over as text: in an array of its own type its quotes would be quoted once more.
    arrays = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in kinds)
    shown = ", ".join(
        f"{name}::jsonb" if kind == "jsonb" else name for name, kind in zip(names, kinds, strict=True)
    )
    converters = [json.dumps if kind == "jsonb" else None for kind in kinds]
    return insert._text(f"SELECT {shown} FROM unnest({arrays}) AS given ({', '.join(names)})"), converters


def _kind(column: Column[Any]) -> str:
    """Return the type of an array's elements; text of any length, so that too long is refused, not cut."""
    kind = column.type
    if isinstance(kind, JSON):
        return "jsonb"
    if isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(_POSTGRESQL)
    return "text" if isinstance(kind, String) else str(kind.compile(_POSTGRESQL)).lower()
