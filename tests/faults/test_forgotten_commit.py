"""A decision is committed, and both the worker and the server that knew of it die: another one comes first.

Until a workflow task is completed, history knows nothing of the update that it carried. The process has
to take over what the database says, and the next decision comes after it.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import RPCError, WorkflowUpdateRPCTimeoutOrCancelledError

from db.database import Database
from domain.ids import new_id
from domain.vetting import ReviewDecision, Stage
from engine.temporal_client import connect
from settings import Settings
from tests.faults.processes import Nursery, Victim, until_gone
from tests.support.community import Community
from tests.support.temporal import PrivateTemporal
from tests.support.vetting import Case, new_case

pytestmark = pytest.mark.faults


async def _until_answered(case: Case, reviewer_id: str, decision: ReviewDecision, update_id: str) -> Stage:
    while True:
        with suppress(RPCError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            async with asyncio.timeout(5):
                return (await case.review(reviewer_id, decision, update_id=update_id)).stage


async def test_what_was_committed_stands_and_the_next_decision_follows(
    private_temporal: PrivateTemporal, nursery: Nursery, sqlite_url: str, tmp_path: Path
) -> None:
    client = await connect(Settings(temporal_address=private_temporal.address))
    ready = tmp_path / "ready"
    given = {
        "address": private_temporal.address,
        "namespace": client.namespace,
        "url": sqlite_url,
        "queue": "forgotten",
        "last": 2,
        "ready": str(ready),
    }
    worker = Victim(nursery, "mortal_worker", tmp_path / "worker.log", given=given, ready_file=ready)
    worker.spawn()
    await worker.ready()
    async with Database.connect(sqlite_url) as db:
        here = Community(db, client, "forgotten")
        await here.populate()
        case = await new_case(here)
        case.task_timeout = timedelta(seconds=3)
        await case.submit()
        first, second = here.reviewers[:2]
        # The worker's second write is this one; it dies before it can tell, and the server dies with it.
        forgotten = new_id()
        asking = asyncio.create_task(case.review(first, update_id=forgotten))
        await until_gone(worker.pid)
        private_temporal.kill()
        asking.cancel()
        with suppress(asyncio.CancelledError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            await asking
        assert await case.codes() == ["submitted", "review_approve"]
        await private_temporal.start()
        worker.given["last"] = 0
        worker.spawn()
        await worker.ready()

        stage = await _until_answered(case, second, ReviewDecision.APPROVE, new_id())
        assert stage is Stage.VOTING
        again = await _until_answered(case, first, ReviewDecision.APPROVE, forgotten)
        assert again is Stage.VOTING
        codes = (await case.codes())[:4]
        assert codes == ["submitted", "review_approve", "review_approve", "review_passed"]
        reviews = [entry["actor_id"] for entry in await case.entries("review_approve")]
        assert reviews == [first, second]
        await case.agrees()
