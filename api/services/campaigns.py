"""Campaigns as people act on them: drafts, and the process from the plan that is handed in to its end."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.problems import Problem
from api.security.gate import Actor
from api.services.processes import Processes
from contracts.base import CAMPAIGN_QUEUE, campaign_process_id, task_queue
from contracts.campaigns import Act, CampaignInput, CampaignView, Decide, Declare, Extend, Submit
from db.database import Database
from db.repositories import campaigns
from db.repositories.notes import NoteKind
from db.repositories.policies import CAMPAIGNS
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.terms import ENDED, ReasonCode, Refusal, ReviewDecision, Status
from domain.people import Role
from settings import Settings
from workflows.campaigns import CampaignWorkflow

LAUNCHERS = (Role.LEADER, Role.PROVISIONAL_LEADER)
MANAGERS = (Role.CAMPAIGN_MANAGER, Role.ADMIN)


class CampaignService:
    """Requests to campaign processes: each is checked where it can be, sent once, and bounded in time."""

    def __init__(self, db: Database, temporal: Client, settings: Settings) -> None:
        self._db = db
        self._temporal = temporal
        self._queue = task_queue(settings.task_queue_prefix, CAMPAIGN_QUEUE)
        self._processes = Processes(db, temporal, settings.temporal_call_seconds, Refusal.NOT_OPEN.value)

    async def submit(self, actor: Actor, campaign_id: str, update_id: str) -> CampaignView:
        """Hand a draft in, for the first time or after changes. Raises ``Problem``; it stays a draft then."""
        row = await self._db.read(lambda conn: existing(conn, campaign_id))
        request = Submit(
            actor_id=actor.person_id,
            plan=CampaignPlan.model_validate(row.plan),
            edit_version=row.edit_version,
        )
        if row.status != Status.DRAFT.value:
            # The process knows whether this very request was taken before; if not, it refuses.
            process_id = campaign_process_id(campaign_id)
            view: CampaignView = await self._processes.update(
                process_id, CampaignWorkflow.submit, request, update_id
            )
            return view
        rules = await self._db.read(CAMPAIGNS.current)
        start = CampaignInput(
            campaign_id=campaign_id,
            leader_id=row.leader_id,
            policy=rules.policy,
            policy_version=rules.version,
        )
        operation = WithStartWorkflowOperation(
            CampaignWorkflow.run,
            start,
            id=campaign_process_id(campaign_id),
            task_queue=self._queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            # A plan that was turned away leaves a closed process behind; the draft may come again.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )
        handle = await self._processes.answer(
            self._temporal.start_update_with_start_workflow(
                CampaignWorkflow.submit,
                request,
                start_workflow_operation=operation,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                id=update_id,
            )
        )
        return await self._processes.answer(handle.result())

    async def review(
        self,
        actor: Actor,
        campaign_id: str,
        decision: ReviewDecision,
        reasons: tuple[ReasonCode, ...],
        note: str | None,
        update_id: str,
    ) -> CampaignView:
        """Approve, reject or ask for changes."""
        request = Decide(actor_id=actor.person_id, decision=decision, reasons=reasons)
        return await self._noted(actor, campaign_id, CampaignWorkflow.review, request, note, update_id)

    async def pause(self, actor: Actor, campaign_id: str, note: str | None, update_id: str) -> CampaignView:
        """Stop a campaign where it is."""
        request = Act(actor_id=actor.person_id)
        return await self._noted(actor, campaign_id, CampaignWorkflow.pause, request, note, update_id)

    async def resume(self, actor: Actor, campaign_id: str, update_id: str) -> CampaignView:
        """Go on where it was paused."""
        request = Act(actor_id=actor.person_id)
        return await self._noted(actor, campaign_id, CampaignWorkflow.resume, request, None, update_id)

    async def extend(self, actor: Actor, campaign_id: str, days: int, update_id: str) -> CampaignView:
        """Add days at the end."""
        request = Extend(actor_id=actor.person_id, days=days)
        return await self._noted(actor, campaign_id, CampaignWorkflow.extend, request, None, update_id)

    async def cancel(
        self, actor: Actor, campaign_id: str, note: str | None, update_id: str
    ) -> CampaignView | None:
        """End a campaign before its time; None for a draft, which has no process yet and is deleted."""
        gone = await self._db.write(lambda conn: campaigns.drop_draft(conn, campaign_id))
        if gone:
            return None
        request = Act(actor_id=actor.person_id)
        return await self._noted(actor, campaign_id, CampaignWorkflow.cancel, request, note, update_id)

    async def amnesty(
        self, actor: Actor, campaign_id: str, days: Iterable[int], reason: str, update_id: str
    ) -> CampaignView:
        """Let everybody rest on the days that an outage spoilt; ``reason`` is kept for the timeline."""
        request = Declare(actor_id=actor.person_id, days=tuple(days))
        try:
            return await self._noted(actor, campaign_id, CampaignWorkflow.amnesty, request, reason, update_id)
        except Problem as problem:
            row = await self._db.read(lambda conn: existing(conn, campaign_id))
            if problem.code == Refusal.NOT_OPEN.value and row.status in ENDED:
                raise Problem(Refusal.AMNESTY_TOO_LATE.value) from None
            raise

    async def _noted(
        self, actor: Actor, campaign_id: str, update: Any, request: Act, note: str | None, update_id: str
    ) -> CampaignView:
        """Send ``request`` with what was typed kept behind its id."""
        process_id = campaign_process_id(campaign_id)

        async def act(note_id: str | None) -> CampaignView:
            noted = request.model_copy(update={"note_id": note_id})
            view: CampaignView = await self._processes.update(process_id, update, noted, update_id)
            return view

        return await self._processes.with_note(
            process_id, actor.person_id, note, NoteKind.CAMPAIGN, update_id, act
        )


def existing(conn: Connection, campaign_id: str) -> Row[Any]:
    """Return the row of a campaign. Raises ``Problem``."""
    row = campaigns.get(conn, campaign_id)
    if row is None:
        raise Problem("not_found")
    return row
