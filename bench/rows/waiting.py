"""Row 6: memory of a worker that holds 1,000 waiting applications, against 1,000 empty waiting workflows."""

import asyncio
import itertools
import os
import signal
from uuid import uuid4

from temporalio.client import Client

from bench.empty import WaitingWorkflow
from bench.machine import resident_mib
from bench.measure import Check, Result, in_turn
from bench.people import at_once, community, drafts, target
from bench.place import Place
from db.database import Database

WIDTH = 16
KIB = 1024.0


async def measure(place: Place) -> list[Result]:
    """Add processes to two workers in turn, a share of them in each round, until both hold all of them."""
    total, rounds = 200 if place.quick else 1_000, place.pairs()
    share = total // rounds
    client, url = await place.temporal(), place.database("sqlite")
    queue = f"empty-{uuid4().hex[:6]}"
    async with Database.connect(url) as db:
        here = await community(db, client)
        worker = await place.python(["-m", "bench.worker", "vetting", *target(client), here.queue, url])
        empty = await place.python(["-m", "bench.worker", "empty", *target(client), queue])
        cases = iter(await drafts(here, total + share))

        async def ours() -> float:
            before = await _settled(worker.pid)
            await at_once(lambda case: case.submit(), list(itertools.islice(cases, share)), WIDTH)
            return (await _settled(worker.pid) - before) * KIB / share

        async def theirs() -> float:
            before = await _settled(empty.pid)
            await at_once(lambda _: _wait(client, queue), range(share), WIDTH)
            return (await _settled(empty.pid) - before) * KIB / share

        a, b = await in_turn(ours, theirs, rounds=rounds)
        held = [await _settled(process.pid) for process in (worker, empty)]
    memory = f"{held[0]:.0f} MiB against {held[1]:.0f} MiB"
    check = Check(f"whole memory of the worker that holds them, {total:,} each", memory, True)
    what = f"{total:,} applications waiting at once"
    against = f"{total:,} empty waiting workflows"
    note = "Growth of the worker's resident memory for each process that came into its cache."
    return [Result(6, what, against, "KiB each", a, b, 1.5, at_most=True, checks=[check], note=note)]


async def _wait(client: Client, queue: str) -> None:
    """Start an empty workflow and return when it waits."""
    handle = await client.start_workflow(WaitingWorkflow.run, id=f"waiting/{uuid4().hex}", task_queue=queue)
    await handle.query(WaitingWorkflow.status)


async def _settled(pid: int) -> float:
    os.kill(pid, signal.SIGUSR1)
    await asyncio.sleep(1.0)
    return resident_mib(pid)
