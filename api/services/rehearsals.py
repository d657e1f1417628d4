"""Asking for a rehearsal of a campaign: judged like a plan that is handed in, then given to a process."""

from datetime import UTC, datetime
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.problems import Problem
from api.schemas.rehearsals import RehearseIn
from api.security import limits
from api.security.gate import Actor
from api.services.campaigns import existing
from api.services.processes import refusal_problem
from api.temporal import bounded
from contracts.base import REHEARSAL_QUEUE, task_queue
from contracts.rehearsals import PATIENCE, RehearsalInput, Script, rehearsal_process_id
from db.database import Database
from db.repositories import rehearsals
from db.repositories.policies import CAMPAIGNS
from domain.campaigns import review
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rehearsal import PRESETS, Behaviour
from domain.campaigns.rewards import liability
from domain.campaigns.state import CampaignState
from domain.campaigns.terms import Refusal, Status
from domain.ids import derived_id
from domain.points import MAX_AMOUNT
from domain.process import Refused
from settings import Settings
from workflows.rehearsals import RehearsalWorkflow

REHEARSABLE: Final = frozenset({Status.DRAFT, Status.IN_REVIEW})
A_QUARTER_OF_AN_HOUR: Final = 10
"""How many rehearsals one person may ask for in that time."""


class RehearsalService:
    """Rehearsals as people ask for them and call them off."""

    def __init__(self, db: Database, temporal: Client, settings: Settings) -> None:
        self._db = db
        self._temporal = temporal
        self._seconds = settings.temporal_call_seconds
        self._queue = task_queue(settings.task_queue_prefix, REHEARSAL_QUEUE)

    async def ask(self, actor: Actor, campaign_id: str, given: RehearseIn, update_id: str) -> str:
        """Have the plan rehearsed as it is stored; return the id, the same for the same ``update_id``.

        Raises ``Problem``: for a plan that could not be handed in, what handing it in would say.
        """
        rehearsal_id, now = derived_id("rehearsal", campaign_id, update_id), datetime.now(UTC)
        row = await self._db.read(lambda conn: existing(conn, campaign_id))
        rules = await self._db.read(CAMPAIGNS.current)
        if Status(row.status) not in REHEARSABLE:
            raise Problem(Refusal.WRONG_STAGE.value)
        script = script_of(CampaignPlan.model_validate(row.plan), rules.policy, given)
        require_lawful(script, campaign_id, row.leader_id, now)
        await limits.count(self._db, "rehearsal", actor.person_id, A_QUARTER_OF_AN_HOUR)
        stands = await self._db.write(
            lambda conn: rehearsals.ask(
                conn, rehearsal_id, campaign_id, actor.person_id, script, given.temperament, now
            )
        )
        if not stands:
            raise Problem("rehearsal_running")
        await self._start(rehearsal_id)
        return rehearsal_id

    async def _start(self, rehearsal_id: str) -> None:
        try:
            await bounded(
                self._temporal.start_workflow(
                    RehearsalWorkflow.run,
                    RehearsalInput(rehearsal_id=rehearsal_id),
                    id=rehearsal_process_id(rehearsal_id),
                    task_queue=self._queue,
                    execution_timeout=PATIENCE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                ),
                self._seconds,
            )
        except Problem:
            # Should it have been started all the same, it finds nothing to do.
            await self._db.write(lambda conn: rehearsals.withdraw(conn, rehearsal_id))
            raise

    async def cancel(self, rehearsal_id: str) -> None:
        """Call a rehearsal off; whoever carries it out stops within a second. Raises ``Problem``."""
        now = datetime.now(UTC)
        if not await self._db.write(lambda conn: rehearsals.cancel(conn, rehearsal_id, now)):
            raise Problem("rehearsal_over")


def script_of(plan: CampaignPlan, policy: CampaignPolicy, given: RehearseIn) -> Script:
    """Return what is to be rehearsed: the temperament's numbers, changed where ``given`` says so."""
    changes = given.behaviour.model_dump(exclude_unset=True) if given.behaviour else {}
    behaviour = Behaviour.model_validate(PRESETS[given.temperament].model_dump() | changes)
    return Script(
        plan=plan,
        policy=policy,
        behaviour=behaviour,
        participants=given.participants,
        seed=given.seed,
    )


def require_lawful(script: Script, campaign_id: str, leader_id: str, now: datetime) -> None:
    """Raise the ``Problem`` with which the plan would be refused if it were handed in at ``now``."""
    state = CampaignState(
        campaign_id=campaign_id,
        leader_id=leader_id,
        policy=script.policy,
        policy_version=0,  # the state is thrown away, and no rule asks for it
    )
    try:
        review.submit(state, leader_id, script.plan, now)
    except Refused as refused:
        raise refusal_problem(refused.refusal.value, refused.detail) from None
    if liability(script.plan) > MAX_AMOUNT:
        raise Problem(Refusal.POOL_TOO_SMALL.value)
