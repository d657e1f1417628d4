"""Database URLs as people write them, and as SQLAlchemy wants them."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})


def normalise_url(url: str) -> URL:
    """Return ``sqlite:///FILE`` or ``postgresql://…`` with the driver that Kameng uses.

    Raises ``ValueError``, without the password, for anything else; SQLite in memory is refused,
    because every connection would see a database of its own.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            "DATABASE_URL: this is no address of a database (sqlite:///FILE or postgresql://…)"
        ) from error
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in _SQLITE:
        raise ValueError(f"DATABASE_URL: {parsed.drivername} is neither sqlite nor postgresql")
    if parsed.database in (None, "", ":memory:") or str(parsed.database).startswith("file:"):
        raise ValueError("DATABASE_URL: SQLite needs a file, as in sqlite:///kameng.sqlite3")
    return parsed.set(drivername="sqlite+pysqlite")


def sqlite_file(url: URL) -> Path:
    """Return the file of a normalised SQLite URL."""
    return Path(str(url.database))


def sqlite_file_of(url: str) -> Path | None:
    """Return the file of a database URL as people write it, None for PostgreSQL. Raises ``ValueError``."""
    parsed = normalise_url(url)
    return sqlite_file(parsed) if parsed.get_backend_name() == "sqlite" else None


def shown(url: str) -> str:
    """Return where the database of ``url`` is, as people may read it: without user, password and options."""
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        return str(parsed.database)
    port = f":{parsed.port}" if parsed.port else ""
    return f"{parsed.host or 'this machine'}{port}/{parsed.database or ''}"
