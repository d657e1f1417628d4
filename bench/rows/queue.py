"""Row 8: the staff's queue as a page, with 100,000 applications, against a bare select of its rows.

The page is asked for in this process, by a call of the application as a server makes it: its server's time is
what is measured, without a socket and without an HTTP client.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from sqlalchemy import Connection, insert, select
from starlette.types import Message

from api.app import create_app
from bench import seed
from bench.measure import Check, Measure, Result, in_turn
from bench.place import Place
from bench.seed import CHUNK
from db.database import Database
from db.postgres import postgres_engine
from db.repositories import queue_search, review_queue
from db.statements import chunked
from db.tables.people import people, role_grants
from db.tables.vetting import applications
from db.urls import normalise_url
from domain.ids import new_id
from domain.people import Role
from domain.vetting.desk import QUEUE_STAGES
from settings import Settings
from tests.support.postgres import PostgresMissing

APPLICATIONS = 100_000
KINDS = ("sqlite", "postgresql")
SHOWN = 26
WHAT = "GET /staff"
BARE = "SELECT … WHERE stage IN … ORDER BY next_deadline LIMIT 26 through Database.read"
KEYS = "the same rows by their primary keys through Database.read"
OWN = "the queue's own reads (rows and counts) without page and session"
STAGES = [stage for stages in QUEUE_STAGES.values() for stage in stages]


async def measure(place: Place) -> list[Result]:
    """Measure on SQLite and PostgreSQL."""
    results = []
    for kind in KINDS:
        try:
            results += await _on(place, kind)
        except PostgresMissing as error:
            results.append(Result(8, f"{WHAT}, {kind}", BARE, "ms", missing=str(error)))
    return results


async def _on(place: Place, kind: str) -> list[Result]:
    url, count = place.database(kind), 5_000 if place.quick else APPLICATIONS
    async with Database.connect(url) as db:
        reader = await _fill(db, count)
        headers = (await seed.signed_in(db, [reader]))[0]
        if kind == "postgresql":
            _analyse(url)
        app = create_app(_settings(place, url))
        async with app.router.lifespan_context(app):
            desk = _Desk(app, headers)
            ids = [row.id for row in await db.read(lambda conn: _queue(conn, reader))]
            pages = await in_turn(
                _times(desk.page),
                _times(lambda: db.read(_bare)),
                _times(lambda: db.read(lambda conn: _by_keys(conn, ids))),
                _times(lambda: db.read(lambda conn: _reads(conn, reader))),
                rounds=place.pairs(),
            )
            checks = [await _search(desk, text) for text in ("Cooking 77", "家常菜 123", "nobody at all")]
    page, bare, keys, reads = pages
    what = f"{WHAT}, {count:,} waiting, {kind}"
    return [
        Result(8, what, BARE, "ms", page, bare, 2.0, at_most=True, checks=checks),
        Result(8, what, KEYS, "ms", page, keys),
        Result(8, what, OWN, "ms", page, reads),
    ]


def _settings(place: Place, url: str) -> Settings:
    return Settings(
        data_dir=place.directory / "data",
        database_url=url,
        temporal_address="127.0.0.1:9",
        staff_second_factor=False,
        log_level="WARNING",
    )


async def _fill(db: Database, count: int) -> str:
    """Write ``count`` applications that wait, each of a person of its own; return a reviewer's id."""
    ids = await seed.members(db, count + 1)
    rows = list(_rows(ids[1:]))
    await seed.insert_many(db, applications, iter(rows))
    for chunk in chunked((row["id"] for row in rows), CHUNK):
        await db.write(partial(queue_search.index, application_ids=chunk))
    now = datetime.now(UTC)
    grant = {"person_id": ids[0], "role": Role.REVIEWER.value, "granted_at": now}
    await db.write(lambda conn: conn.execute(insert(role_grants), grant) and None)
    return ids[0]


def _rows(person_ids: list[str]) -> Iterator[dict[str, Any]]:
    chance, now = random.Random(8), datetime.now(UTC)
    for number, person_id in enumerate(person_ids):
        since = now - timedelta(minutes=chance.randrange(1, 10_000))
        stage = chance.choice(STAGES)
        yield {
            "id": new_id(),
            "person_id": person_id,
            "headline": f"{chance.choice(('Cooking', '家常菜', 'Running slowly'))} {number}",
            "status": "credential_review",
            "stage": stage.value,
            "waiting_on": "reviewer",
            "waiting_since": since,
            "next_deadline": since + timedelta(days=5) if chance.random() < 0.9 else None,
            "if_nothing_happens": "escalated_to_lead",
            "escalated": chance.random() < 0.05,
            "round": 1,
            "claimed_by": None,
            "created_at": since,
            "updated_at": since,
            "submitted_at": since,
            "tags": [],
            "links": [],
            "flags": [],
            "reasons": [],
        }


def _analyse(url: str) -> None:
    """Have PostgreSQL know what is in its tables, as its autovacuum would soon."""
    engine = postgres_engine(normalise_url(url), pool_size=1).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _times(act: Callable[[], Awaitable[Any]], times: int = 100) -> Measure:
    """Return what measures one ``act`` after the other (milliseconds each)."""

    async def run() -> float:
        started = time.perf_counter()
        for _ in range(times):
            await act()
        return (time.perf_counter() - started) * 1000 / times

    return run


@dataclass(frozen=True)
class _Desk:
    """The application, and the headers of a reviewer who is signed in."""

    app: FastAPI
    headers: dict[str, str]

    async def page(self, **query: str) -> bytes:
        """Return the page that ``GET /staff`` answers with."""
        said = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/staff",
            "raw_path": b"/staff",
            "query_string": urlencode(query).encode(),
            "root_path": "",
            "headers": [(b"host", b"bench.test"), *said],
            "client": ("127.0.0.1", 1),
            "server": ("bench.test", 80),
        }
        answer: list[Message] = []

        async def send(message: Message) -> None:
            answer.append(message)

        await self.app(scope, _nothing_more, send)
        assert answer[0]["status"] == 200, answer
        return b"".join(message.get("body", b"") for message in answer)


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _bare(conn: Connection) -> Any:
    found = select(applications, people.c.display_name).join(people, people.c.id == applications.c.person_id)
    waiting = applications.c.stage.in_([stage.value for stage in STAGES])
    return conn.execute(found.where(waiting).order_by(applications.c.next_deadline).limit(SHOWN)).all()


def _by_keys(conn: Connection, ids: list[str]) -> Any:
    found = select(applications, people.c.display_name).join(people, people.c.id == applications.c.person_id)
    return conn.execute(found.where(applications.c.id.in_(ids))).all()


def _queue(conn: Connection, reader: str) -> Any:
    return review_queue.queue(conn, kind=None, without_person=reader, limit=SHOWN)


def _reads(conn: Connection, reader: str) -> Any:
    return _queue(conn, reader), review_queue.counts(conn, reader)


async def _search(desk: _Desk, text: str) -> Check:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        await desk.page(q=text)
        times.append((time.perf_counter() - started) * 1000)
    return Check(f"search «{text}»", f"{sorted(times)[1]:.0f} ms", True)
