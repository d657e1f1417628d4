"""Row 7: decisions a second while one worker in four is killed every 30 seconds, against without."""

import asyncio
import itertools
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
from sqlalchemy import Connection, func, select

from bench import seed
from bench.api import serve, work
from bench.measure import Check, Result, in_turn
from bench.people import at_once, drafts
from bench.place import Place
from contracts.base import VETTING_QUEUE, task_queue
from db.database import Database
from db.tables.vetting import timeline_entries
from domain.ids import new_id
from settings import Settings
from tests.support.community import Community
from tests.support.vetting import Case

WORKERS = 4
WIDTH = 32
CASES = 400
KILL_EVERY_SECONDS = 30.0
CALM_SECONDS = 10.0
# An update of a killed worker's process is answered by another after seconds; the API may say 503 before.
AGAIN_SECONDS = 0.2
GIVE_UP_SECONDS = 60.0


@dataclass
class _Load:
    """Staff who claim and release applications, one after the other, for as long as they are let."""

    http: httpx2.AsyncClient
    lanes: list[Iterator[Case]]
    acknowledged: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    async def run(self, seconds: float) -> float:
        """Act for ``seconds``; return how many decisions were acknowledged in a second."""
        before, started = sum(self.acknowledged.values()), time.perf_counter()
        await asyncio.gather(*(self._lane(lane, started + seconds) for lane in self.lanes))
        return (sum(self.acknowledged.values()) - before) / (time.perf_counter() - started)

    async def _lane(self, cases: Iterator[Case], until: float) -> None:
        while time.perf_counter() < until:
            case = next(cases)
            for action in ("claim", "release"):
                await self._act(case, action)

    async def _act(self, case: Case, action: str) -> None:
        """Send one decision until it is acknowledged, always with the same key."""
        headers, give_up = {"idempotency-key": new_id()}, time.perf_counter() + GIVE_UP_SECONDS
        while True:
            answer = await self.http.post(
                f"/api/v1/applications/{case.id}/{action}", json={}, headers=headers
            )
            if answer.status_code == 200:
                self.acknowledged[case.process_id] += 1
                return
            may_repeat = answer.status_code >= 500 or answer.status_code == 409
            if not may_repeat or time.perf_counter() > give_up:
                raise RuntimeError(f"{action}: {answer.status_code} {answer.text}")
            self.repeated += 1
            await asyncio.sleep(AGAIN_SECONDS)


async def measure(place: Place) -> list[Result]:
    """Measure through the API with four worker processes."""
    client, database = await place.temporal(), place.database("sqlite")
    async with Database.connect(database) as db:
        here = Community(db, client, task_queue(Settings().task_queue_prefix, VETTING_QUEUE))
        await here.populate()
        workers = [await work(place, database, client) for _ in range(WORKERS)]
        cases = await drafts(here, 40 if place.quick else CASES)
        await at_once(lambda case: case.submit(), cases, 16)
        port = await serve(place, database, client)
        reviewer = (await seed.signed_in(db, [here.lead]))[0]
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers=reviewer,
            timeout=30,
            limits=httpx2.Limits(max_connections=WIDTH),
        ) as http:
            load = _Load(http, [itertools.cycle(cases[lane::WIDTH]) for lane in range(WIDTH)])
            turn = itertools.count()

            async def killing() -> float:
                ended = asyncio.create_task(_kill(place, database, client, workers, next(turn) % WORKERS))
                rate = await load.run(KILL_EVERY_SECONDS)
                await ended
                return rate

            a, b = await in_turn(
                killing, lambda: load.run(CALM_SECONDS), rounds=place.pairs(4), warm_up=False
            )
        checks = [await _nothing_lost(db, load)]
    what = "decisions while one worker in four is killed every 30 s"
    note = f"{WIDTH} at a time; one without an answer is sent again with its key ({load.repeated} times)."
    return [Result(7, what, "without", "decisions/s", a, b, 0.6, checks=checks, note=note)]


async def _kill(
    place: Place, database: str, client, workers: list[subprocess.Popen[bytes]], number: int
) -> None:
    """Kill one worker in the middle of its work and start another in its place."""
    await asyncio.sleep(1.0)
    workers[number].send_signal(signal.SIGKILL)
    await asyncio.to_thread(workers[number].wait)
    workers[number] = await work(place, database, client)


async def _nothing_lost(db: Database, load: _Load) -> Check:
    """Compare what was acknowledged with the timelines: every decision is there, and once."""
    actions = timeline_entries.c.code.in_(["claimed", "released"])
    counted = select(timeline_entries.c.process_id, func.count()).where(actions)

    def count(conn: Connection) -> dict[str, int]:
        return {row[0]: row[1] for row in conn.execute(counted.group_by(timeline_entries.c.process_id))}

    there = await db.read(count)
    wrong = sum(1 for id, number in load.acknowledged.items() if there.get(id, 0) != number)
    total, found = sum(load.acknowledged.values()), sum(there.values())
    return Check(
        "nothing acknowledged is lost, nothing is there twice",
        f"{total:,} acknowledged, {found:,} in the timelines, {wrong} applications differ",
        wrong == 0 and total == found,
    )
