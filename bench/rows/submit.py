"""Row 1: handing an application in through the API, against a bare update-with-start."""

import asyncio
import time
from collections.abc import Iterator
from uuid import uuid4

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from bench import seed
from bench.api import serve, work
from bench.empty import EmptyWorkflow
from bench.load import request, send
from bench.measure import Result, in_turn
from bench.people import at_once, drafts, target
from bench.place import Place
from contracts.base import VETTING_QUEUE, task_queue
from db.database import Database
from settings import Settings
from tests.support.community import Community

WIDTH = 16


async def measure(place: Place) -> list[Result]:
    """Measure rates at the same concurrency, on the same server, with one worker process each."""
    rounds, count = place.pairs(), 20 if place.quick else 60
    client, database = await place.temporal(), place.database("sqlite")
    empty_queue = f"empty-{uuid4().hex[:6]}"
    await place.python(["-m", "bench.worker", "empty", *target(client), empty_queue])
    async with Database.connect(database) as db:
        here = Community(db, client, task_queue(Settings().task_queue_prefix, VETTING_QUEUE))
        await here.populate()
        requests = await _drafts(here, count * (rounds + 1))
        await work(place, database, client)
        port = await serve(place, database, client)

        async def ours() -> float:
            some = [next(requests) for _ in range(count)]
            answers = await asyncio.to_thread(send, port, some, place.directory / "requests", WIDTH)
            return answers.rate(200)

        async def theirs() -> float:
            started = time.perf_counter()
            await at_once(lambda _: _bare(client, empty_queue), range(count), WIDTH)
            return count / (time.perf_counter() - started)

        a, b = await in_turn(ours, theirs, rounds=rounds)
    against = "a bare update-with-start of an empty workflow with one empty activity"
    note = (
        f"{WIDTH} at a time; ours with sign-in, automatic checks, record, timeline and mail in the database."
    )
    return [Result(1, "submit, through the API", against, "submits/s", a, b, 0.5, note=note)]


async def _drafts(here: Community, count: int) -> Iterator[bytes]:
    """Return the requests that hand ``count`` complete drafts in."""
    cases = await drafts(here, count)
    headers = await seed.signed_in(here.db, [case.applicant for case in cases])
    return iter(
        [
            request("POST", f"/api/v1/applications/{case.id}/submit", own, b"{}")
            for case, own in zip(cases, headers, strict=True)
        ]
    )


async def _bare(client: Client, queue: str) -> None:
    start = WithStartWorkflowOperation(
        EmptyWorkflow.run,
        id=f"empty/{uuid4().hex}",
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    await client.execute_update_with_start_workflow(EmptyWorkflow.submit, start_workflow_operation=start)
