"""Inserting thousands of rows at once, skipping those whose key is taken.

SQLAlchemy describes every row of such a statement anew, which takes several times as long as the database
takes to write it. Here a statement is described once: SQLite takes some hundred rows in one step, and
PostgreSQL one array for each column, where a row each would be a message each.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from db.statements import chunked

Values = Sequence[Any]
"""One row, in the order of the columns named."""

SQLITE_ROWS: Final = 500
"""Rows of one step: with up to 65 columns fewer values than the 32,766 that SQLite takes."""
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
        converters = _converters(self, conn.dialect)
        given = [
            column if convert is None else _converted(column, convert)
            for column, convert in zip(zip(*rows, strict=True), converters, strict=True)
        ]
        if conn.dialect.name != "postgresql":
            return sum(
                int(conn.exec_driver_sql(self._of_sqlite(len(some)), tuple(chain(*some)), _COUNTED).rowcount)
                for some in chunked(zip(*given, strict=True), SQLITE_ROWS)
            )
        arrays = tuple(list(column) for column in given)
        return int(conn.exec_driver_sql(_for_postgresql(self), arrays, _COUNTED).rowcount)

    def _of_sqlite(self, rows: int) -> str:
        row = f"({', '.join('?' * len(self._columns))})"
        return self._text(f"VALUES {', '.join([row] * rows)}")

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
def _converters(insert: BulkInsert, dialect: Dialect) -> Converters:
    if dialect.name == "postgresql":
        return [json.dumps if _kind(column) == "jsonb" else None for column in insert._columns]
    return [column.type.dialect_impl(dialect).bind_processor(dialect) for column in insert._columns]


@lru_cache(maxsize=64)
def _for_postgresql(insert: BulkInsert) -> str:
    kinds = [_kind(column) for column in insert._columns]
    names = [f"c{number}" for number in range(len(kinds))]
    # A list of JSON goes over as text: in an array of its own type its quotes would be quoted once more.
    arrays = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in kinds)
    shown = ", ".join(
        f"{name}::jsonb" if kind == "jsonb" else name for name, kind in zip(names, kinds, strict=True)
    )
    return insert._text(f"SELECT {shown} FROM unnest({arrays}) AS given ({', '.join(names)})")


def _kind(column: Column[Any]) -> str:
    """Return the type of an array's elements; text of any length, so that too long is refused, not cut."""
    kind = column.type
    if isinstance(kind, JSON):
        return "jsonb"
    if isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(_POSTGRESQL)
    return "text" if isinstance(kind, String) else str(kind.compile(_POSTGRESQL)).lower()
