"""The queues in SQL against the same rules in plain Python, on random applications, page by page."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert
from sqlalchemy.engine.interfaces import CacheStats

from db.database import Database
from db.repositories import queue_search, review_queue
from db.repositories.review_queue import MOST_COUNTED, NO_DEADLINE, QueuePlace
from db.tables.vetting import applications
from domain.ids import new_id
from domain.vetting import Stage
from domain.vetting.desk import QUEUE_STAGES, Queue
from tests.support.people import create_person

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EARLY = {Stage.FIRST_REVIEW.value, Stage.SECOND_REVIEW.value}


def _application(chance: random.Random, person_id: str, holders: list[str]) -> dict[str, Any]:
    deadline = NOW + timedelta(hours=chance.randrange(-6, 6))
    return {
        "id": new_id(),
        "person_id": person_id,
        "headline": chance.choice(["Cooking 100%", "Running_slowly", "Back\\slash", "读诗"]),
        "stage": chance.choice(list(Stage)).value,
        "next_deadline": deadline if chance.random() < 0.8 else None,
        "escalated": chance.random() < 0.3,
        "claimed_by": chance.choice([None, *holders]),
        "created_at": NOW,
        "updated_at": NOW,
        "tags": [],
        "links": [],
        "flags": [],
        "reasons": [],
    }


def _populate(conn: Connection, number: int) -> tuple[list[dict[str, Any]], list[str]]:
    chance = random.Random(7)
    people = [create_person(conn, f"p{n}").id for n in range(6)]
    rows = [_application(chance, chance.choice(people), people[:2]) for _ in range(number)]
    conn.execute(insert(applications), rows)
    queue_search.index(conn, [row["id"] for row in rows])
    return rows, people


def _waits(row: dict[str, Any], kind: Queue | None) -> bool:
    kinds = Queue if kind is None else [kind]
    if any(row["stage"] in QUEUE_STAGES[each] for each in kinds):
        return True
    return kind is Queue.LEAD_REVIEW and row["escalated"] and row["stage"] in EARLY


def _expected(rows: list[dict[str, Any]], kind: Queue | None, reader: str, keep: Any) -> list[str]:
    found = [row for row in rows if _waits(row, kind) and row["person_id"] != reader and keep(row)]
    return [
        row["id"] for row in sorted(found, key=lambda row: (row["next_deadline"] or NO_DEADLINE, row["id"]))
    ]


def _paged(conn: Connection, size: int, **values: Any) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = review_queue.queue(conn, after=after, limit=size, **values)
        found += [row.id for row in page]
        if len(page) < size:
            return found
        after = QueuePlace(page[-1].deadline, page[-1].id)


@pytest.mark.parametrize("kind", [None, *Queue])
async def test_pages_hold_what_waits_in_order(db: Database, kind: Queue | None) -> None:
    def work(conn: Connection) -> None:
        rows, people = _populate(conn, 300)
        reader, holder = people[5], people[0]
        cases: list[tuple[dict[str, Any], Any]] = [
            ({}, lambda row: True),
            ({"claimed_by": holder}, lambda row: row["claimed_by"] == holder),
            ({"unclaimed": True}, lambda row: row["claimed_by"] is None),
            ({"escalated": True}, lambda row: row["escalated"]),
            ({"search": "ING 1"}, lambda row: "Cooking" in row["headline"]),
            ({"search": "g_s"}, lambda row: "_" in row["headline"]),
            ({"search": "0%"}, lambda row: "%" in row["headline"]),
            ({"search": "k\\s"}, lambda row: "\\" in row["headline"]),
            ({"search": "读诗"}, lambda row: "读" in row["headline"]),
        ]
        for values, keep in cases:
            wanted = _expected(rows, kind, reader, keep)
            for size in (7, 1000):
                found = _paged(conn, size, kind=kind, without_person=reader, **values)
                assert found == wanted, values

    await db.write(work)


async def test_counts_stop_where_no_tab_says_more(db: Database) -> None:
    def work(conn: Connection) -> None:
        rows, _ = _populate(conn, 1200)
        reader = create_person(conn, "reader").id
        own = _application(random.Random(1), reader, []) | {"stage": "second_review", "escalated": True}
        conn.execute(insert(applications), own)
        rows.append(own)
        found = review_queue.counts(conn, reader)
        exact = {kind: len(_expected(rows, kind, reader, lambda row: True)) for kind in Queue}
        assert found == {kind: min(count, MOST_COUNTED) for kind, count in exact.items()}
        assert max(exact.values()) > MOST_COUNTED > min(exact.values())

    await db.write(work)


async def test_the_statements_of_the_desk_are_compiled_once(db: Database) -> None:
    compiled: list[str] = []

    def look(
        _conn: Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool
    ) -> None:
        if context.cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(statement)

    def work(conn: Connection) -> list[str]:
        for _ in range(2):
            compiled.clear()
            event.listen(conn, "before_cursor_execute", look)
            review_queue.queue(conn, kind=None, without_person="nobody", limit=26)
            review_queue.counts(conn, "nobody")
            event.remove(conn, "before_cursor_execute", look)
        return list(compiled)

    assert await db.read(work) == []
