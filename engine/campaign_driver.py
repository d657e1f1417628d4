"""Driving one campaign on a real server: handing it in, deciding, moving its clock.

Shared by rehearsals and tests: both tell the process what people would, and let days pass.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from contracts.base import campaign_process_id
from contracts.campaigns import CampaignInput, CampaignView, Decide, Submit
from db.database import Database
from db.repositories import clocks
from db.tables.campaigns import campaigns
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.terms import ReasonCode, ReviewDecision
from engine.timeskip import advance, process_now
from workflows.campaigns import CampaignWorkflow

SKIP_SECONDS: Final = 300.0
SETTLE_SECONDS: Final = 60.0


@dataclass
class CampaignDriver:
    """One campaign in ``db``, its process on ``queue``, and the two people who decide about it."""

    db: Database
    client: Client
    queue: str
    plan: CampaignPlan
    policy: CampaignPolicy = field(default_factory=CampaignPolicy)
    task_timeout: timedelta | None = None
    id: str = ""
    leader: str = ""
    manager: str = ""

    @property
    def process_id(self) -> str:
        """The id of its process."""
        return campaign_process_id(self.id)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Its process."""
        return self.client.get_workflow_handle(self.process_id)

    async def submit(self, actor_id: str | None = None, update_id: str | None = None) -> CampaignView:
        """Hand the plan in as it is stored."""
        start = WithStartWorkflowOperation(
            CampaignWorkflow.run,
            CampaignInput(campaign_id=self.id, leader_id=self.leader, policy=self.policy, policy_version=1),
            id=self.process_id,
            task_queue=self.queue,
            task_timeout=self.task_timeout,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        row = await self.row()
        request = Submit(
            actor_id=actor_id or self.leader,
            plan=CampaignPlan.model_validate(row["plan"]),
            edit_version=row["edit_version"],
        )
        return await self.client.execute_update_with_start_workflow(
            CampaignWorkflow.submit, request, start_workflow_operation=start, id=update_id
        )

    async def send(self, update: Any, request: Any, update_id: str | None = None) -> CampaignView:
        """Send an update."""
        answer: CampaignView = await self.handle.execute_update(
            update, request, id=update_id, result_type=CampaignView
        )
        return answer

    async def review(
        self, decision: ReviewDecision = ReviewDecision.APPROVE, *reasons: ReasonCode, by: str | None = None
    ) -> CampaignView:
        """Decide about it."""
        request = Decide(actor_id=by or self.manager, decision=decision, reasons=reasons)
        return await self.send(CampaignWorkflow.review, request)

    async def skip(self, delta: timedelta) -> datetime:
        """Move the campaign's clock forward, and wait until it has done what was due."""
        # A worker that dies in bulk work is missed only when its heartbeats are.
        now = await advance(self.client, self.process_id, delta, seconds=SKIP_SECONDS)
        await self.settle_by(now)
        return now

    async def settle_by(self, now: datetime) -> None:
        """Wait until the campaign has done all that is due at ``now``, the time of its clock (UTC)."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                if await self.is_settled(now):
                    return
                await asyncio.sleep(0.02)

    async def is_settled(self, now: datetime) -> bool:
        """Tell whether the campaign has done all that is due at ``now``."""
        return await self.db.read(lambda conn: clocks.is_settled(conn, self.process_id, now))

    async def now(self) -> datetime:
        """Return the time of the process."""
        return await process_now(self.client, self.process_id)

    async def skip_to(self, instant: datetime) -> datetime:
        """Move the campaign's clock to ``instant``, which lies ahead."""
        return await self.skip(instant - await self.now())

    async def row(self) -> dict[str, Any]:
        """Return the campaign's row."""
        found = select(campaigns).where(campaigns.c.id == self.id)
        return await self.db.read(lambda conn: dict(conn.execute(found).one()._mapping))
