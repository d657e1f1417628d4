"""Importing CSV files: good rows in, bad ones named, repeatable; and the first staff."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from db.database import Database
from db.migrate import downgrade
from db.repositories import people
from domain.people import Person, Role
from engine.admin import create_admin
from engine.csv_files import BadLine, UnusableFile
from engine.data_commands import (
    create_admin_command,
    import_contributions_command,
    import_members_command,
    migrate_command,
)
from engine.errors import EngineError
from engine.imports import Import, import_contributions, import_members
from engine.processes import free_port

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
async def db(database_url: str):
    async with Database.connect(database_url) as database:
        yield database


class Importing:
    """Writes a file, imports it, and keeps what was said about bad rows."""

    def __init__(self, db: Database, directory: Path) -> None:
        self._db = db
        self.path = directory / "file.csv"
        self.bad: list[BadLine] = []

    async def members(self, content: str | bytes) -> tuple[int, int, int]:
        return await self._run(import_members, content)

    async def contributions(self, content: str | bytes) -> tuple[int, int, int]:
        return await self._run(import_contributions, content)

    async def _run(self, importer, content: str | bytes) -> tuple[int, int, int]:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.bad.clear()
        run = await importer(self._db, self.path, NOW, Import(on_bad=self.bad.append))
        return run.added, run.already_there, run.bad

    async def person(self, email: str) -> Person:
        found = await self._db.read(lambda conn: people.get_by_email(conn, email))
        assert found is not None
        return found


@pytest.fixture
def importing(db: Database, tmp_path: Path) -> Importing:
    return Importing(db, tmp_path)


async def test_members_come_in_once(importing: Importing, db: Database):
    content = (
        "email,name,locale,time_zone,joined_at,circles,invited_by,roles\n"
        "an@kameng.org,安,zh-CN,Asia/Shanghai,2025-12-31,books;chess,,\n"
        "bo@kameng.org,Bo,en,Europe/Paris,2026-01-02T03:04:05+08:00,,cy@kameng.org,reviewer|moderator\n"
        "cy@kameng.org,Cy,,,,,AN@kameng.org,\n"
    )
    assert await importing.members(content) == (3, 0, 0)
    assert await importing.members(content) == (0, 3, 0)
    an, bo, cy = [await importing.person(f"{name}@kameng.org") for name in ("an", "bo", "cy")]
    assert (an.display_name, an.locale, an.time_zone) == ("安", "zh-CN", "Asia/Shanghai")
    assert an.joined_at == datetime(2025, 12, 31, tzinfo=UTC)
    assert bo.joined_at == datetime(2026, 1, 1, 19, 4, 5, tzinfo=UTC)
    assert (cy.joined_at, cy.created_at) == (NOW, NOW)
    assert (an.invited_by, bo.invited_by, cy.invited_by) == (None, cy.id, an.id)
    assert await db.read(lambda conn: people.circles(conn, an.id)) == ("books", "chess")
    assert await db.read(lambda conn: people.roles(conn, bo.id)) == {
        Role.MEMBER,
        Role.REVIEWER,
        Role.MODERATOR,
    }
    assert await db.read(lambda conn: people.roles(conn, an.id)) == {Role.MEMBER}


async def test_today_is_no_future_wherever_it_has_begun(importing: Importing):
    content = "email,name,joined_at\nan@kameng.org,An,2026-06-01\nbo@kameng.org,Bo,2026-06-01T14:00:00Z\n"
    assert await importing.members(content + "cy@kameng.org,Cy,2026-06-01T14:00:01Z\n") == (2, 0, 1)
    for name in ("an", "bo"):
        assert (await importing.person(f"{name}@kameng.org")).joined_at == NOW
    assert [(line.number, line.reason.partition(":")[0]) for line in importing.bad] == [(4, "joined_at")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_files_as_spreadsheets_write_them(
    importing: Importing, encoding: str, end: str, delimiter: str
):
    rows = [["Display_Name", "EMAIL"], ["安安", "an@kameng.org"], [], ['"Bo ""B"" Li"', "bo@kameng.org"]]
    content = end.join(delimiter.join(row) for row in rows)
    assert await importing.members(content.encode(encoding)) == (2, 0, 0)
    assert (await importing.person("bo@kameng.org")).display_name == 'Bo "B" Li'
    assert (await importing.person("an@kameng.org")).display_name == "安安"


async def test_every_bad_row_is_named_and_the_good_ones_are_in(importing: Importing):
    content = (
        "email,name,locale,time_zone,joined_at,circles,invited_by,roles\n"
        "good@kameng.org,Good\n"
        "no-address,X\n"
        "a@kameng.org,\n"
        'b@kameng.org,"two\nlines"\n'
        "c@kameng.org,C,fr\n"
        "d@kameng.org,D,en,Mars/Base\n"
        "e@kameng.org,E,en,UTC,31.12.2025\n"
        "f@kameng.org,F,en,UTC,2025-12-31T00:00:00\n"
        "g@kameng.org,G,en,UTC,,,,king\n"
        "h@kameng.org,H,en,UTC,,,,leader\n"
        "i@kameng.org,I,en,UTC,,,i@kameng.org\n"
        "Good+again@kameng.org,Again\n"
        "j@kameng.org,J,en,UTC,,,nobody@kameng.org\n"
        f"k@kameng.org,{'k' * 121}\n"
        "l@kameng.org,L,en,UTC,,,,,,\n"
        "m@kameng.org,M\x1b[31m\n"
        'n@kameng.org,"N"x\n'
        "o@kameng.org,O\n"
        "q@kameng.org,Q,en,UTC,2026-06-03\n"
    ).encode() + b"p@kameng.org,\xc3\x28\n"
    added, _, bad = await importing.members(content)
    # j is in, though without the inviter that nobody knows: told, and no bad row.
    assert added == 3
    assert bad == 17
    lines = [line.number for line in importing.bad]
    assert sorted(lines) == [3, 4, 5, *range(7, 19), 19, 21, 22]
    reasons = {line.number: line.reason for line in importing.bad}
    assert reasons[3].startswith("email: not a mail address")
    assert reasons[4] == "name: a value is needed"
    assert reasons[5] == "name: line breaks and control characters are not allowed"
    assert "zh-CN, en" in reasons[7]
    assert reasons[13] == "invited_by: nobody invites oneself"
    assert reasons[14] == "the same mailbox as in line 2"
    assert reasons[15] == "invited_by: nobody here has that address; imported without it"
    assert reasons[21] == "joined_at: 2026-06-03T00:00:00+00:00 is in the future"
    assert reasons[9] == "joined_at: write 2026-01-31, or a time as 2026-01-31T08:00:00+08:00"
    assert reasons[10] == "joined_at: a time needs its offset, as in 2026-01-31T08:00:00+08:00"
    assert "UTF-8" in reasons[22]
    assert all("\n" not in reason for reason in reasons.values())
    assert await importing.members(content) == (0, 3, 17)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("email,name\na@kameng.org,A\n".encode("utf-16"), "UTF-16"),
        (b"\x7fELF\x00\x01\x02", "not a text file"),
        (b"", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        (b"a@kameng.org,A\n", "must name the columns; missing: email, name"),
        (b"email,phone,name\n", "unknown column 'phone'"),
        (b"email,name,Email\n", "twice"),
        (b"email\n", "missing: name"),
    ],
)
async def test_an_unusable_file_is_one_clear_line(importing: Importing, content: bytes, says: str):
    with pytest.raises(UnusableFile, match=says) as caught:
        await importing.members(content)
    assert "\n" not in str(caught.value)


async def test_a_missing_file_and_a_directory_are_one_clear_line(db: Database, tmp_path: Path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UnusableFile, match=str(path)):
            await import_members(db, path, NOW, Import())


async def test_contributions_come_in_once_and_bad_rows_are_named(importing: Importing):
    await importing.members("email,name\nan@kameng.org,An\n")
    content = (
        "source,reference,kind,occurred_at,email,actor_reference,stars,hours_to_answer\n"
        "forum,1,post,2026-05-01T00:00:00Z,an@kameng.org,,,\n"
        "forum,2,rating,2026-05-01T00:00:00Z,an@kameng.org,ann,5,\n"
        "forum,3,answer,2026-05-01T00:00:00Z,an@kameng.org,,,4.5\n"
        "forum,4,post,2026-05-01,an@kameng.org,,,\n"
        "forum,5,post,2026-05-01T00:00:00Z,nobody@kameng.org,,,\n"
        "forum,6,rating,2026-05-01T00:00:00Z,an@kameng.org,ann,9,\n"
        "forum,1,share,2026-05-01T00:00:00Z,an@kameng.org,,,\n"
        "forum,1,post,2026-05-01T08:00:00+08:00,an@kameng.org,,,\n"
    )
    assert await importing.contributions(content) == (3, 1, 4)
    assert sorted(line.number for line in importing.bad) == [5, 6, 7, 8]
    assert await importing.contributions(content) == (0, 4, 4)


async def test_contributions_of_tomorrow_are_named_and_left_out(importing: Importing):
    await importing.members("email,name\nan@kameng.org,An\n")
    content = (
        "source,reference,kind,occurred_at,email\n"
        f"forum,1,post,{NOW:%Y-%m-%dT%H:%M:%SZ},an@kameng.org\n"
        "forum,2,post,2099-01-01T00:00:00Z,an@kameng.org\n"
    )
    assert await importing.contributions(content) == (1, 0, 1)
    [bad] = importing.bad
    assert (bad.number, bad.reason) == (3, "occurred_at: this has not happened yet")


async def test_a_quote_that_is_not_closed_takes_no_other_row_along(importing: Importing):
    content = (
        "email,name\n"
        'a@kameng.org,"Open\n'
        "b@kameng.org,B\n"
        "c@kameng.org,C\n"
        'd@kameng.org,Say "hi"\n'
        'e@kameng.org,"E, the fifth"\n'
        'f@kameng.org,"never closed\n'
        "g@kameng.org,G\n"
    )
    assert await importing.members(content) == (5, 0, 2)
    assert [line.number for line in importing.bad] == [2, 7]
    assert (await importing.person("e@kameng.org")).display_name == "E, the fifth"
    assert await importing.members(content) == (0, 5, 2)


async def test_a_big_file_takes_seconds(sqlite_url: str, tmp_path: Path):
    rows = 10_000
    path = tmp_path / "big.csv"
    path.write_text("email,name\n" + "".join(f"person{n}@kameng.org,Person {n}\n" for n in range(rows)))
    positions: list[int] = []
    began = time.process_time()
    async with Database.connect(sqlite_url) as db:
        run = await import_members(db, path, NOW, Import(on_progress=positions.append))
    assert run.added == rows
    assert positions == sorted(positions)
    assert positions[-1] <= path.stat().st_size
    # 100,000 in well under a minute, by processor time, because other tests run beside this one.
    assert time.process_time() - began < 6


async def test_an_admin_is_created_once(db: Database):
    first = await create_admin(
        db, "Boss@kameng.org", ["admin", "reviewer", "admin"], NOW, name="Boss", locale="en"
    )
    assert first.created
    assert first.roles == (Role.ADMIN, Role.REVIEWER)
    again = await create_admin(db, "boss+x@kameng.org", ["admin", "moderator"], NOW, name="Other")
    assert not again.created
    assert again.person == first.person
    assert again.roles == (Role.MODERATOR,)
    held = await db.read(lambda conn: people.roles(conn, first.person.id))
    assert held == {Role.MEMBER, Role.ADMIN, Role.REVIEWER, Role.MODERATOR}


@pytest.mark.parametrize(
    ("email", "roles", "name", "says"),
    [
        ("boss@kameng.org", ["king"], "", "unknown role 'king'"),
        ("boss@kameng.org", ["leader"], "", "unknown role 'leader'"),
        ("boss@kameng.org", [], "", "no role"),
        ("boss", ["admin"], "", "email"),
        ("boss@kameng.org", ["admin"], "a\nb", "name"),
    ],
)
async def test_an_impossible_admin_is_refused(
    db: Database, email: str, roles: list[str], name: str, says: str
):
    with pytest.raises(EngineError, match=says):
        await create_admin(db, email, roles, NOW, name=name)
    assert await db.read(lambda conn: people.holders_of(conn, Role.ADMIN)) == ()


class TestCommands:
    """The commands as the command line runs them."""

    @pytest.fixture
    def run(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("DATABASE_URL", sqlite_url)
        app = typer.Typer()
        app.command("migrate")(migrate_command)
        app.command("members")(import_members_command)
        app.command("contributions")(import_contributions_command)
        app.command("admin")(create_admin_command)
        return lambda *arguments: CliRunner().invoke(app, list(arguments))

    def test_import_and_exit_codes(self, run, tmp_path: Path):
        good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
        lacking = tmp_path / "lacking.csv"
        lacking.write_text("email,name,invited_by\nb@kameng.org,B,nobody@kameng.org\n")
        good.write_text("email,name\na@kameng.org,A\n")
        bad.write_text("email,name\na@kameng.org,A\nb,B\n")
        result = run("members", str(good))
        assert (result.exit_code, result.stdout) == (0, "1 added, 0 already there, 0 bad rows\n")
        result = run("members", str(bad))
        assert (result.exit_code, result.stdout) == (1, "0 added, 1 already there, 1 bad rows\n")
        assert f"{bad}:3: email: not a mail address" in result.stderr.replace("\n", "")
        result = run("members", str(lacking))
        told = "1 added, 0 already there, 0 bad rows, 1 of those in without all they named\n"
        assert (result.exit_code, result.stdout) == (1, told)

    def test_an_admin(self, run):
        result = run("admin", "a@kameng.org", "--role", "admin", "--role", "reviewer")
        assert (result.exit_code, result.stdout) == (0, "a@kameng.org (new): admin, reviewer\n")
        result = run("admin", "a@kameng.org", "--role", "admin")
        assert result.stdout == "a@kameng.org (already there): nothing new\n"

    def test_a_database_that_is_not_migrated(self, run, sqlite_url: str):
        downgrade(sqlite_url)
        result = run("admin", "a@kameng.org", "--role", "admin")
        assert isinstance(result.exception, EngineError)
        assert "kameng migrate" in str(result.exception)
        assert run("migrate").exit_code == 0
        assert run("admin", "a@kameng.org", "--role", "admin").exit_code == 0

    def test_a_database_that_is_away(self, run, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("DATABASE_URL", f"postgresql://me@127.0.0.1:{free_port()}/none")
        for command in (["migrate"], ["admin", "a@kameng.org", "--role", "admin"]):
            result = run(*command)
            assert isinstance(result.exception, EngineError)
            assert "not available" in str(result.exception)
