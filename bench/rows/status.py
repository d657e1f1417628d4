"""Row 4: status data of an application, against a GET with one bare primary-key SELECT."""

import asyncio

from sqlalchemy import select

from bench import seed
from bench.api import baseline, serve, work
from bench.load import request, send
from bench.measure import Measure, Result, in_turn
from bench.people import at_once, drafts
from bench.place import Place
from contracts.base import VETTING_QUEUE, task_queue
from db.database import Database
from db.tables.vetting import applications
from settings import Settings
from tests.support.community import Community
from tests.support.postgres import PostgresMissing

APPLICATIONS = 50
KINDS = ("sqlite", "postgresql")
WHAT = "status data of an application"
SESSION = "a FastAPI GET with one primary-key SELECT through SQLAlchemy's AsyncSession"
READ = "the same SELECT through the product's own Database.read"


async def measure(place: Place) -> list[Result]:
    """Measure on SQLite and PostgreSQL."""
    results = []
    for kind in KINDS:
        try:
            results += await _on(place, kind)
        except PostgresMissing as error:
            results.append(Result(4, f"{WHAT}, {kind}", SESSION, "GET/s", missing=str(error)))
    return results


async def _on(place: Place, kind: str) -> list[Result]:
    database, count = place.database(kind), 500 if place.quick else 1_500
    async with Database.connect(database) as db:
        requests = await _submitted(place, db, database)
    some = (requests * (count // len(requests) + 1))[:count]
    port = await serve(place, database)
    session, read = await baseline(place, "session", database), await baseline(place, "read", database)
    ours, theirs, bare = await in_turn(
        _rate(place, port, some), _rate(place, session, some), _rate(place, read, some), rounds=place.pairs()
    )
    note = (
        "GET /applications/{id} by its owner: session, access rule, and the whole application in one answer."
    )
    return [
        Result(4, f"{WHAT}, {kind}", SESSION, "GET/s", ours, theirs, 0.6, note=note),
        Result(4, f"{WHAT}, {kind}", READ, "GET/s", ours, bare),
    ]


async def _submitted(place: Place, db: Database, database: str) -> list[bytes]:
    """Hand applications in; return their owners' requests."""
    client = await place.temporal()
    here = Community(db, client, task_queue(Settings().task_queue_prefix, VETTING_QUEUE))
    await here.populate()
    worker = await work(place, database, client)
    cases = await drafts(here, APPLICATIONS)
    await at_once(lambda case: case.submit(), cases, 8)
    worker.terminate()
    await asyncio.to_thread(worker.wait)
    owners = dict(await db.read(_owners))
    headers = await seed.signed_in(db, [owners[case.id] for case in cases])
    return [
        request("GET", f"/api/v1/applications/{case.id}", own)
        for case, own in zip(cases, headers, strict=True)
    ]


def _owners(conn):
    return [tuple(row) for row in conn.execute(select(applications.c.id, applications.c.person_id))]


def _rate(place: Place, port: int, requests: list[bytes]) -> Measure:
    async def run() -> float:
        answers = await asyncio.to_thread(send, port, requests, place.directory / "requests")
        return answers.rate(200)

    return run
