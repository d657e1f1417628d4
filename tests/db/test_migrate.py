"""The migrations lead to the tables that the code works with, there and back."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from db.database import Database
from db.errors import DatabaseUnavailable, NotMigrated
from db.migrate import current, downgrade, head, is_current, upgrade
from db.repositories import policies
from db.tables import metadata
from db.tables.people import people
from domain.campaigns.policy import CampaignPolicy
from domain.policy import VettingPolicy
from engine.processes import free_port
from tests.support.people import create_person

ROOT = Path(__file__).resolve().parents[2]


async def test_the_migrations_make_exactly_the_tables(database_url: str):
    def differences(conn: Connection) -> list[object]:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    async with Database.connect(database_url) as db:
        assert await db.read(differences) == []


async def test_check_constraints_and_storage_are_those_of_the_tables(database_url: str, tmp_path: Path):
    """What Alembic does not compare: checks, and tables without a row id on SQLite."""

    def checks(conn: Connection) -> set[tuple[str, str]]:
        inspector = inspect(conn)
        return {
            (table, str(check["name"]))
            for table in metadata.tables
            for check in inspector.get_check_constraints(table)
        }

    def without_rowid(conn: Connection) -> set[str]:
        statement = text("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'")
        return set(conn.execute(statement).scalars())

    async with (
        Database.connect(database_url) as db,
        Database.connect(f"sqlite:///{tmp_path}/made.db") as made,
    ):
        await made.write(metadata.create_all)
        assert await db.read(checks) == await made.read(checks)
        if db.dialect == "sqlite":
            assert await db.read(without_rowid) == await made.read(without_rowid) != set()


async def test_down_and_up_again(database_url: str):
    assert is_current(database_url)
    assert upgrade(database_url) == head()
    async with Database.connect(database_url) as db:
        await db.write(lambda conn: create_person(conn, "an"))
        assert downgrade(database_url) is None
        assert not is_current(database_url)
        left = await db.read(lambda conn: set(inspect(conn).get_table_names()))
        assert left <= {"alembic_version"}
        assert upgrade(database_url) == head()
        assert await db.read(current) == head()
        assert await db.read(lambda conn: conn.execute(select(people.c.id)).all()) == []


async def test_the_first_policy_is_the_default(database_url: str):
    async with Database.connect(database_url) as db:
        first = await db.read(policies.VETTING.current)
        of_campaigns = await db.read(policies.CAMPAIGNS.current)
    assert (first.version, of_campaigns.version) == (1, 1)
    assert first.policy == VettingPolicy()
    assert of_campaigns.policy == CampaignPolicy()


async def test_processes_that_start_together_migrate_once(database_url: str):
    downgrade(database_url)
    program = "import sys; from db.migrate import upgrade; print(upgrade(sys.argv[1]))"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [(await process.communicate())[0].decode().strip() for process in processes]
    assert answers == [head()] * 2
    assert is_current(database_url)


async def test_a_missing_table_is_told_apart(database_url: str):
    downgrade(database_url)
    async with Database.connect(database_url) as db:
        for run in (db.read, db.write):
            with pytest.raises(NotMigrated, match="run: kameng migrate"):
                await run(lambda conn: conn.execute(select(people.c.id)).all())


def test_a_database_that_is_away_is_unavailable(tmp_path: Path):
    for url in (f"postgresql://me@127.0.0.1:{free_port()}/x", f"sqlite:///{tmp_path}/no/x.db"):
        for work in (upgrade, downgrade):
            with pytest.raises(DatabaseUnavailable):
                work(url)
    with pytest.raises(DatabaseUnavailable):
        is_current(f"postgresql://me@127.0.0.1:{free_port()}/x")


def test_looking_at_a_file_that_is_not_there_makes_none(tmp_path: Path):
    for place in (tmp_path, tmp_path / "no"):
        assert not is_current(f"sqlite:///{place}/x.db")
    assert list(tmp_path.iterdir()) == []
