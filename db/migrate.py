"""Schema migrations: ``upgrade``, ``downgrade``, ``is_current``, each one transaction.

A new revision is written by ``python -m db.migrate MESSAGE`` from what ``db.tables`` says, against
a scratch SQLite file.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from db import postgres, sqlite
from db.urls import normalise_url, sqlite_file_of

MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"

# Processes that start together wait for the first one instead of migrating twice.
_ADVISORY_LOCK: Final = 0x6B616D65


def upgrade(url: str, revision: str = "head") -> str | None:
    """Bring the schema to ``revision`` and return what it is at then.

    Raises ``DatabaseUnavailable``; nothing is half done.
    """
    with _transaction(url) as conn:
        command.upgrade(_config(conn), revision)
        _check_references(conn)
        return current(conn)


def downgrade(url: str, revision: str = "base") -> str | None:
    """Take the schema back to ``revision``, data included, and return what it is at then."""
    with _transaction(url) as conn:
        command.downgrade(_config(conn), revision)
        _check_references(conn)
        return current(conn)


def is_current(url: str) -> bool:
    """Tell whether the schema is at the newest revision. Raises ``DatabaseUnavailable``."""
    file = sqlite_file_of(url)
    if file is not None and not file.exists():
        # Opened, it would be made.
        return False
    with _transaction(url) as conn:
        return current(conn) == head()


def current(conn: Connection) -> str | None:
    """Return the revision of the schema behind ``conn``, None for an empty database."""
    return MigrationContext.configure(conn).get_current_revision()


def head() -> str | None:
    """Return the newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def write_revision(message: str, revision: str) -> None:
    """Write a migration that brings the newest revision to what ``db.tables`` says."""
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/scratch.sqlite3"
        upgrade(url)
        with _transaction(url) as conn:
            command.revision(_config(conn), message, autogenerate=True, rev_id=revision)


def _config(conn: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = conn
    return config


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    engine, translate = _engine(url)
    try:
        with engine.begin() as conn:
            if conn.dialect.name == "postgresql":
                conn.execute(text("SET LOCAL lock_timeout = 0"))
                conn.execute(text("SET LOCAL statement_timeout = 0"))
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield conn
    except Exception as error:
        seen = translate(error)
        if seen is error:
            raise
        raise seen from error
    finally:
        engine.dispose()


def _engine(url: str) -> tuple[Engine, Callable[[BaseException], BaseException]]:
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite.sqlite_engine(parsed, foreign_keys=False), sqlite.translate
    return postgres.postgres_engine(parsed), postgres.translate


def _check_references(conn: Connection) -> None:
    if conn.dialect.name != "sqlite":
        return
    broken = conn.execute(text("PRAGMA foreign_key_check")).first()
    if broken is not None:
        raise RuntimeError(f"the migration leaves rows of {broken[0]} that refer to nothing in {broken[2]}")


if __name__ == "__main__":
    revisions = len(list((MIGRATIONS / "versions").glob("*.py")))
    write_revision(" ".join(sys.argv[1:]) or "change", f"{revisions + 1:04d}")
