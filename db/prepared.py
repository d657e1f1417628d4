"""Statements that are written like all others and run without the layers between, for the hottest writes.

SQLAlchemy prepares and describes every execution anew, which on SQLite takes several times as long as the
statement itself. What runs here has been compiled once; the driver's own errors are translated where
``Database`` translates all others.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement


class Prepared:
    """An INSERT, UPDATE or DELETE for SQLite, compiled when first used."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    @cached_property
    def _compiled(self) -> tuple[str, list[tuple[str, Any, Any]]]:
        dialect: Dialect = sqlite.dialect()
        compiled: Any = self._statement.compile(dialect=dialect)
        places = []
        for name in compiled.positiontup:
            bound = compiled.binds[name]
            convert = bound.type.dialect_impl(dialect).bind_processor(dialect)
            places.append((name, bound.value, convert))
        return str(compiled), places

    def run(self, conn: Connection, values: Mapping[str, Any]) -> int:
        """Run it in the transaction of ``conn``, on SQLite only; return how many rows it changed."""
        text, places = self._compiled
        given = []
        for name, fixed, convert in places:
            value = values.get(name, fixed)
            given.append(convert(value) if convert else value)
        driver: Any = conn.connection.driver_connection
        return int(driver.execute(text, given).rowcount)
