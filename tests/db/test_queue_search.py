"""The staff's search against plain containment, on random texts; and the index kept with what it is of."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from db.database import Database
from db.migrate import MIGRATIONS, downgrade, upgrade
from db.repositories import access, queue_search, review_queue
from db.repositories import applications as repository
from db.repositories.review_queue import NO_DEADLINE, QueuePlace
from db.tables.people import people
from db.tables.vetting import application_grams, application_search, applications
from domain.ids import new_id
from domain.search import folded
from domain.vetting import Stage
from tests.support.people import create_person, person_row

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PIECES = ["读", "诗", "会", "家常", "菜", "a", "B", "ab", " ", "é", "Ä", "%", "_", "\\", "Ｑ", "1", "𠮷"]
READER = "a reader who is nobody's applicant"


def _text(chance: random.Random, longest: int) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, longest)))


def _application(person_id: str, headline: str, stage: Stage, deadline: datetime | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "person_id": person_id,
        "headline": headline,
        "stage": stage.value,
        "next_deadline": deadline,
        "created_at": NOW,
        "updated_at": NOW,
        "tags": [],
        "links": [],
        "flags": [],
        "reasons": [],
    }


def _populate(conn: Connection, chance: random.Random, number: int) -> dict[str, dict[str, Any]]:
    """Write applications of every stage; return them with the names of their applicants, by id."""
    found = {}
    for count in range(number):
        row = person_row(f"p{count}", display_name=_text(chance, 6))
        conn.execute(insert(people), row)
        deadline = NOW + timedelta(hours=chance.randrange(9)) if chance.random() < 0.8 else None
        one = _application(row["id"], _text(chance, 14), chance.choice(list(Stage)), deadline)
        conn.execute(insert(applications), one)
        found[one["id"]] = one | {"name": row["display_name"]}
    queue_search.index(conn, found)
    return found


def _expected(rows: dict[str, dict[str, Any]], search: str) -> list[str]:
    wanted = folded(search)
    met = [
        row
        for row in rows.values()
        if row["stage"] in queue_search.WAITING
        and (wanted in folded(row["name"]) or wanted in folded(row["headline"]))
    ]
    return [
        row["id"] for row in sorted(met, key=lambda row: (row["next_deadline"] or NO_DEADLINE, row["id"]))
    ]


def _found(conn: Connection, search: str, size: int = 1000) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        page = review_queue.queue(
            conn, kind=None, search=search, without_person=READER, after=after, limit=size
        )
        ids += [row.id for row in page]
        if len(page) < size:
            return ids
        after = QueuePlace(page[-1].deadline, page[-1].id)


@pytest.mark.parametrize("few", [0, 12, 1000])
async def test_a_search_finds_exactly_what_contains_it(
    db: Database, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever of the two ways: looked up in the index, or met in the queue's order."""
    monkeypatch.setattr(queue_search, "FEW", few)
    chance = random.Random(few)

    def work(conn: Connection) -> None:
        rows = _populate(conn, chance, 150)
        pieces = [folded(text) for row in rows.values() for text in (row["name"], row["headline"])]
        hits = 0
        for _ in range(60):
            text = chance.choice(pieces)
            start = chance.randrange(len(text) or 1)
            search = chance.choice([text[start : start + chance.randrange(1, 7)], _text(chance, 4)])
            if not folded(search):
                continue
            wanted = _expected(rows, search)
            hits += len(wanted)
            assert _found(conn, search) == wanted, search
        assert hits > 100
        for search in ("读", "家常", "AB", "%", "_"):
            assert _found(conn, search, 7) == _expected(rows, search) != []

    await db.write(work)


def _kept(conn: Connection) -> dict[str, int]:
    """Return how many grams are kept of each application, and assert that only texts have grams."""
    own = application_grams.c.application_id
    counted = {row[0]: row[1] for row in conn.execute(select(own, func.count()).group_by(own))}
    assert set(counted) == set(conn.execute(select(application_search.c.application_id)).scalars())
    return counted


async def test_the_index_goes_with_name_headline_and_stage(db: Database) -> None:
    def work(conn: Connection) -> None:
        person = create_person(conn, "lin").id
        one = _application(person, "家常菜入门", Stage.INTAKE, NOW)
        conn.execute(insert(applications), one)
        own = one["id"]

        def move(stage: Stage) -> None:
            before = conn.execute(select(applications.c.stage).where(applications.c.id == own)).scalar_one()
            conn.execute(update(applications).where(applications.c.id == own).values(stage=stage.value))
            queue_search.moved(conn, own, before, stage.value)

        assert _found(conn, "家常") == []
        move(Stage.CHANGES_REQUESTED)
        assert _found(conn, "家常") == _found(conn, "LIN") == [own]
        repository.edit(conn, own, 1, {"headline": "Bread for beginners"}, None, NOW)
        assert _found(conn, "家常") == []
        assert _found(conn, "bread") == [own]
        access.change_person(conn, person, {"display_name": "林小姐"})
        assert _found(conn, "lin") == []
        assert _found(conn, "小姐") == [own]
        assert _kept(conn) == {own: len("林小姐") + len("bread for beginners")}
        move(Stage.FIRST_REVIEW)
        assert _found(conn, "小姐") == [own]
        move(Stage.CLOSED)
        assert _kept(conn) == {}
        access.change_person(conn, person, {"display_name": "Lin"})
        assert _kept(conn) == {}

    await db.write(work)


async def test_the_migration_fills_the_index_as_the_repository_would(database_url: str) -> None:
    def content(conn: Connection) -> list[Any]:
        return [
            sorted(tuple(row) for row in conn.execute(select(table)))
            for table in (application_search, application_grams)
        ]

    async with Database.connect(database_url) as db:
        await db.write(lambda conn: _populate(conn, random.Random(3), 60) and None)
        wanted = await db.read(content)
        own = next(MIGRATIONS.glob("versions/*_queue_search.py")).name[:4]
        downgrade(database_url, f"{int(own) - 1:04d}")
        upgrade(database_url, own)
        assert await db.read(content) == wanted
        assert all(wanted)
