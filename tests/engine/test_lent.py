"""A borrowed PostgreSQL database is as good as a new one, and thrown away where it would not be."""

import psycopg
import pytest

from tests.support import lent
from tests.support.lent import LentDatabases

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
def databases(postgres_admin_url: str, postgres_template: str) -> LentDatabases:
    """Databases of this test's own."""
    return LentDatabases(postgres_admin_url, postgres_template)


def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the tables hold."""
    with psycopg.connect(url) as connection:
        names = [str(row[0]) for row in connection.execute(TABLES)]
        return {name: connection.execute(f'SELECT * FROM "{name}"'.encode()).fetchall() for name in names}


def _run(url: str, statement: bytes) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


PERSON = b"""
INSERT INTO people (id, email, email_normalised, display_name, locale, time_zone, status, good_standing,
                    list_mail, joined_at, created_at)
VALUES ('p', 'a@people.example', 'a@people.example', 'A', 'en', 'UTC', 'active', true, true, now(), now())
"""


def test_the_next_borrower_finds_what_migrations_left_and_nothing_else(databases: LentDatabases) -> None:
    with databases.lent() as first:
        clean = _rows(first)
        assert any(clean.values())
        assert clean["people"] == []
        _run(first, PERSON)
        _run(first, b"INSERT INTO role_grants (person_id, role, granted_at) VALUES ('p', 'member', now())")
        _run(first, b"DELETE FROM policies")
        assert _rows(first) != clean
    with databases.lent() as second:
        assert second == first
        assert _rows(second) == clean


@pytest.mark.parametrize(
    "change",
    [
        b"CREATE INDEX another ON people (display_name)",
        b"ALTER TABLE people ALTER COLUMN display_name DROP NOT NULL",
        b"ALTER TABLE people DISABLE TRIGGER ALL",
        b"CREATE TABLE another (id int)",
    ],
)
def test_a_changed_schema_is_thrown_away(databases: LentDatabases, change: bytes) -> None:
    with databases.lent() as first:
        _run(first, change)
    with databases.lent() as second:
        assert second != first


def test_a_database_that_somebody_still_uses_is_thrown_away(
    databases: LentDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lent, "QUIET_SECONDS", 0.1)
    with databases.lent() as first:
        forgotten = psycopg.connect(first)
    with databases.lent() as second:
        assert second != first
    forgotten.close()
