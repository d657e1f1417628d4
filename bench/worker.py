"""A worker process for measurements: ``python -m bench.worker KIND ADDRESS NAMESPACE QUEUE [DATABASE]``.

KIND is ``vetting`` (the product's own worker), ``noop`` (its workflow with an update that does nothing),
``empty`` (a workflow that does nothing), or ``member`` (one for each member of a campaign). SIGUSR1
collects garbage, so that memory can be compared.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.ballots import BallotActivities
from activities.vetting import VettingActivities
from bench.activities import Keeper, nothing
from bench.empty import EmptyWorkflow, WaitingWorkflow
from bench.member import MemberWorkflow
from bench.noop import VettingWithNoop
from db.database import Database
from worker import tune, vetting_worker

CACHED = 1_200


def _worker(
    client: Client, queue: str, workflows: Sequence[type], activities: Sequence[Callable[..., Any]]
) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        max_cached_workflows=CACHED,
        max_concurrent_activities=50,
    )


async def _serve(kind: str, address: str, namespace: str, queue: str, database: str = "") -> None:
    client = await Client.connect(address, namespace=namespace, data_converter=pydantic_data_converter)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: gc.collect() and None)
    async with AsyncExitStack() as stack:
        if kind == "empty":
            worker = _worker(client, queue, [EmptyWorkflow, WaitingWorkflow], [nothing])
        elif kind == "member":
            worker = _worker(client, queue, [MemberWorkflow], [Keeper(database).keep])
        else:
            db = await stack.enter_async_context(Database.connect(database))
            if kind == "vetting":
                worker = vetting_worker(client, db, queue, cached_workflows=CACHED)
            else:
                vetting, ballots = VettingActivities(db), BallotActivities(db)
                activities: list[Callable[..., Any]] = [vetting.record, ballots.open, ballots.mail_roll]
                worker = _worker(client, queue, [VettingWithNoop], activities)
        await stack.enter_async_context(worker)
        Path(os.environ["KAMENG_READY_FILE"]).touch()
        await stop.wait()


if __name__ == "__main__":
    tune()
    asyncio.run(_serve(*sys.argv[1:]))
