"""Statements that both databases are given, each in its own way, come to the same on both."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    String,
    column,
    literal,
    select,
    table,
    text,
    true,
    update,
)

from db.database import Database
from db.errors import Conflict
from db.statements import (
    AsOne,
    Lookups,
    OnGiven,
    RisingIds,
    gathered,
    list_of,
    listed,
    one_of,
    undone_by_its_caller,
)
from db.tables.people import people
from db.types import UtcDateTime, text_of
from domain.ids import new_id
from tests.support.people import create_person

AT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
WORDS = ["", "好 \"quoted\" \\ and 'so' on", "\n\t", "👍", "null", "[1]"]


async def test_rows_that_are_given_come_out_as_they_are(db: Database):
    rows = [(word, None if number % 2 else 2**40 + number, text_of(AT)) for number, word in enumerate(WORDS)]

    def read(conn: Connection) -> list[tuple[Any, ...]]:
        given = listed(conn.dialect.name, "given", word=String(), number=BigInteger(), at=UtcDateTime())
        return [tuple(row) for row in conn.execute(select(given), list_of("given", rows))]

    assert await db.read(read) == [(word, number, AT) for word, number, _ in rows]


async def test_rows_that_come_as_one_are_those_that_come_one_by_one(db: Database):
    found = select(
        people.c.id, people.c.display_name, people.c.good_standing, people.c.invited_by, people.c.joined_at
    ).where(people.c.status == "active")
    gathered = AsOne(dict.fromkeys(("sqlite", "postgresql"), found))

    def both(conn: Connection) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]], Any]:
        some = gathered.all(conn, {})
        return {tuple(row) for row in some}, {tuple(row) for row in conn.execute(found)}, some

    assert await db.read(both) == (set(), set(), [])
    await db.write(lambda conn: [create_person(conn, f"person{n}") for n in range(3)])
    as_one, one_by_one, rows = await db.read(both)
    assert as_one == one_by_one
    assert {row.display_name for row in rows} == {"person0", "person1", "person2"}
    assert all(row.good_standing is True and row.joined_at.tzinfo is not None for row in rows)


_GIVEN = table("given", column("person"), column("address"))
_ADDRESS = update(people).where(people.c.id == _GIVEN.c.person)
_ON_GIVEN = OnGiven(undone_by_its_caller(_ADDRESS.values(email_normalised=_GIVEN.c.address)), _GIVEN)


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """SQLite alone: PostgreSQL is given rows as a value, and undoes each statement that fails."""
    async with Database.connect(sqlite_url) as database:
        yield database


@pytest.mark.parametrize("count", [1, 2, 31, 128])
async def test_a_statement_works_on_all_rows_that_are_given_with_it(sqlite: Database, count: int):
    def write(conn: Connection) -> list[tuple[str, str]]:
        here = [create_person(conn, f"person{n}").id for n in range(count)]
        rows = [(one, f"it's {number}?") for number, one in enumerate(here)]
        _ON_GIVEN.run(conn, rows)
        return rows

    rows = await sqlite.write(write)
    kept = await sqlite.read(lambda conn: conn.execute(select(people.c.id, people.c.email_normalised)).all())
    assert sorted(map(tuple, kept)) == sorted(rows)


async def test_one_row_that_fails_takes_all_that_its_function_wrote_along(sqlite: Database):
    """The statement keeps the rows before it; the transaction does not."""
    here = await sqlite.write(lambda conn: [create_person(conn, f"person{n}").id for n in range(3)])

    def write(conn: Connection) -> None:
        create_person(conn, "another")
        _ON_GIVEN.run(conn, [(here[0], "new"), (here[1], "person2@kameng.org")])

    with pytest.raises(Conflict):
        await sqlite.write(write)
    kept = await sqlite.read(lambda conn: conn.execute(select(people.c.email_normalised)).scalars().all())
    assert sorted(kept) == [f"person{n}@kameng.org" for n in range(3)]


async def test_ids_that_the_database_gathers_find_their_rows(db: Database):
    def write(conn: Connection) -> list[str]:
        return [create_person(conn, f"person{n}").id for n in range(5)]

    def read(conn: Connection) -> list[list[str]]:
        some = select(people.c.id).where(people.c.id.in_(wanted)).order_by(people.c.id)
        nobody = select(people.c.id).where(people.c.id == "nobody")
        found = select(people.c.id).where(one_of(conn.dialect.name, people.c.id, "ids")).order_by(people.c.id)
        return [list(conn.scalars(found, {"ids": gathered(conn, ids)})) for ids in (some, nobody)]

    wanted = sorted(await db.write(write))[1:4]
    assert await db.read(read) == [wanted, []]


async def test_lookups_go_from_the_left_to_the_right(sqlite: Database):
    """Left to itself, SQLite 3.40 would go through all people once for each of the two."""
    two = select(literal(1).label("sign")).union_all(select(literal(-1))).subquery("two")

    def plan(conn: Connection) -> list[str]:
        asked = select(people.c.id, two).select_from(Lookups(people, two, true()))
        written_out = asked.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True})
        steps = conn.execute(text(f"EXPLAIN QUERY PLAN {written_out}"))
        return [row.detail.split()[1] for row in steps if row.detail.startswith(("SCAN people", "SCAN two"))]

    assert await sqlite.read(plan) == ["people", "two"]


def test_ids_of_many_rows_rise_with_all_others_however_soon_they_are_made():
    made = []
    for _ in range(20_000):
        before, ids = new_id(), RisingIds()
        made += [before, ids.first, ids.last]
    assert all(before < after for before, after in pairwise(made))


async def test_a_number_ends_the_id_of_its_row(db: Database):
    ids = RisingIds()

    def made(conn: Connection) -> list[str]:
        numbers = (1, 255, 2**31 - 1)
        shown = [RisingIds.of(conn.dialect.name, literal(n, Integer())) for n in numbers]
        return list(conn.execute(select(*shown), {"front": ids.front}).one())

    first, *_, last = found = await db.read(made)
    assert found == [f"{ids.front}{end}" for end in ("00000001", "000000ff", "7fffffff")]
    assert ids.first < first < last < ids.last
    assert {len(one) for one in found} == {36}
