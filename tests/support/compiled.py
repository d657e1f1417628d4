"""Statements are compiled once for a process and kind of database, not again for each of its databases.

SQLAlchemy keeps what it compiled with the engine, and as one dialect's. Every test has engines of its own;
all of one kind are made alike and talk to the same server, so what one compiled serves the others.
"""

from typing import Any, Final

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.util import LRUCache

STATEMENTS: Final = 4000
"""More than the tests run: SQLAlchemy drops what was not used for long."""

_caches: Final[dict[type[Dialect], LRUCache[Any, Any]]] = {}


def compile_once() -> None:
    """Let all engines that this process makes from now on share what they compile, one cache a dialect."""
    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        # The dialect is a part of each key.
        kind.__eq__ = _alike  # type: ignore[method-assign,assignment]
        kind.__hash__ = _by_kind  # type: ignore[method-assign,assignment]
    Engine._compiled_cache = property(_cache_of, _leave_it)  # type: ignore[assignment]


def _cache_of(engine: Engine) -> LRUCache[Any, Any]:
    return _caches.setdefault(type(engine.dialect), LRUCache(STATEMENTS))


def _leave_it(_engine: Engine, _own: object) -> None:
    """An engine that is made would begin one of its own."""


def _alike(one: Dialect, other: object) -> bool:
    return type(one) is type(other)


def _by_kind(one: Dialect) -> int:
    return hash(type(one))
