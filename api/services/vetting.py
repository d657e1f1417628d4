"""The vetting process as people act on it. Owns the workflow handles: starts, updates, and their refusals."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, Row
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.problems import Problem
from api.security.gate import Actor
from api.services.processes import Processes, refusal_problem
from contracts.base import VETTING_QUEUE, application_process_id, task_queue
from contracts.vetting import (
    Act,
    Appeal,
    DecideAppeal,
    DecideProbation,
    StatusView,
    Submit,
    VettingInput,
)
from db.database import Database
from db.repositories import applications, people, policies, vetting
from db.repositories.notes import NoteKind
from domain.checks import barred, missing
from domain.credentials import ClaimFinding, CredentialClaim, plain_findings
from domain.ids import derived_id
from domain.people import Role
from domain.process import Refused
from domain.vetting import (
    APPEALABLE,
    AppealDecision,
    ChecklistItem,
    ProbationDecision,
    ReasonCode,
    Refusal,
    ReviewDecision,
    Status,
)
from domain.vetting.review import Review, check_review
from settings import Settings
from workflows.vetting import VettingWorkflow

T = TypeVar("T")

SUBMISSION = "submit"
LEADS = (Role.LEAD_REVIEWER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reviewer's decision as it was typed; ``findings`` is None where none were asked for."""

    decision: ReviewDecision
    checklist: dict[ChecklistItem, bool]
    findings: tuple[ClaimFinding, ...] | None
    reasons: tuple[ReasonCode, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """What staff's decisions rest on: the application and its claims."""

    row: Row[Any]
    claims: tuple[CredentialClaim, ...]

    @property
    def now(self) -> datetime:
        """The time of the application's process."""
        return process_now(self.row)


def process_now(row: Any) -> datetime:
    """Return the time (UTC) of the process behind a row that has ``clock_offset_seconds``."""
    return datetime.now(UTC) + timedelta(seconds=row.clock_offset_seconds)


class VettingService:
    """Requests to vetting processes: each is checked where it can be, sent once, and bounded in time."""

    def __init__(self, db: Database, temporal: Client, settings: Settings) -> None:
        self._db = db
        self._temporal = temporal
        self._processes = Processes(db, temporal, settings.temporal_call_seconds, Refusal.NOT_OPEN.value)
        self._queue = task_queue(settings.task_queue_prefix, VETTING_QUEUE)

    async def submit(self, actor: Actor, application_id: str, edit_version: int | None) -> StatusView:
        """Hand a draft in: starts its process, once however often it is sent.

        ``edit_version`` is what the applicant saw; None means whatever it is now. Raises ``Problem``:
        incomplete, barred, changed meanwhile, or Temporal away, and then the draft is as it was.
        """
        start = await self._db.read(lambda conn: self._admissible(conn, application_id))
        request = Submit(actor_id=actor.person_id, edit_version=edit_version)
        if start is None:
            return await self.update(application_id, VettingWorkflow.submit, request, SUBMISSION)
        handle = await self._start(start, request, SUBMISSION)
        try:
            return await self._processes.answer(handle.result())
        except Problem as problem:
            if problem.status >= 500:
                raise
        # The refusal may be the one that an earlier submission met: the server keeps it with the process
        # that it ended, and answers the same id with it. An id that names that process asks anew.
        handle = await self._start(start, request, f"{SUBMISSION}/{handle.workflow_run_id}")
        return await self._processes.answer(handle.result())

    async def _start(
        self, start: VettingInput, request: Submit, update_id: str
    ) -> WorkflowUpdateHandle[StatusView]:
        operation = WithStartWorkflowOperation(
            VettingWorkflow.run,
            start,
            id=application_process_id(start.application_id),
            task_queue=self._queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            # A submission that was turned away leaves a closed process behind; the draft may come again.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )
        return await self._processes.answer(
            self._temporal.start_update_with_start_workflow(
                VettingWorkflow.submit,
                request,
                start_workflow_operation=operation,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                id=update_id,
            )
        )

    def _admissible(self, conn: Connection, application_id: str) -> VettingInput | None:
        """Return what starts the process, None if it has been started. Raises ``Problem``."""
        row = _existing(applications.get(conn, application_id))
        if row.status != Status.DRAFT.value:
            if row.submitted_at is None:
                raise Problem(Refusal.NOT_OPEN.value)
            return None
        lacks = missing(vetting.submission_of(conn, row))
        if lacks:
            raise Problem(Refusal.INCOMPLETE.value, missing=[item.value for item in lacks])
        now = datetime.now(UTC)
        background = vetting.background_of(conn, row, now)
        refusal = barred(background, vetting.person_now(conn, row, now))
        if refusal is not None:
            raise refusal_problem(refusal.value, {"reapply_after": _text(background.reapply_after)})
        version = policies.VETTING.current(conn)
        return VettingInput(
            application_id=application_id,
            person_id=row.person_id,
            policy=version.policy,
            policy_version=version.version,
        )

    async def resubmit(
        self, actor: Actor, application_id: str, edit_version: int | None, update_id: str
    ) -> StatusView:
        """Answer a request for changes."""
        request = Submit(actor_id=actor.person_id, edit_version=edit_version)
        return await self.update(application_id, VettingWorkflow.resubmit, request, update_id)

    async def withdraw(self, actor: Actor, application_id: str, update_id: str) -> StatusView | None:
        """End an application at the applicant's wish; None for a draft, which has no process yet."""
        ended = await self._db.write(
            lambda conn: applications.withdraw_draft(conn, application_id, actor.person_id, datetime.now(UTC))
        )
        if ended:
            return None
        request = Act(actor_id=actor.person_id)
        return await self.update(application_id, VettingWorkflow.withdraw, request, update_id)

    async def appeal(self, actor: Actor, application_id: str, reason: str, update_id: str) -> StatusView:
        """Appeal against a rejection or a failed probation."""
        # The reason is what an appeal consists of: its note's id is known before it is kept.
        request = Appeal(actor_id=actor.person_id, note_id=derived_id("note", update_id))
        noted = (NoteKind.APPEAL, reason)
        try:
            return await self._noted(actor, application_id, VettingWorkflow.appeal, request, noted, update_id)
        except Problem as problem:
            if problem.code != Refusal.NOT_OPEN.value:
                raise
            raise await self._db.read(lambda conn: _appeal_too_late(conn, application_id)) from None

    async def claim(self, actor: Actor, application_id: str, update_id: str) -> StatusView:
        """Hold an application for one reviewer."""
        await self.case(actor, application_id)
        return await self.update(application_id, VettingWorkflow.claim, _act(actor), update_id)

    async def release(self, actor: Actor, application_id: str, update_id: str) -> StatusView:
        """Give an application back to the queue."""
        return await self.update(application_id, VettingWorkflow.release, _act(actor), update_id)

    async def declare_conflict(self, actor: Actor, application_id: str, update_id: str) -> StatusView:
        """Step aside for a conflict of interest."""
        return await self.update(application_id, VettingWorkflow.declare_conflict, _act(actor), update_id)

    async def review(
        self, actor: Actor, application_id: str, judgement: Judgement, update_id: str
    ) -> StatusView:
        """Give an opinion. Raises ``Problem`` where it does not rest on what it must rest on."""
        case = await self.case(actor, application_id)
        review = Review(
            reviewer_id=actor.person_id,
            is_lead=actor.has(*LEADS),
            decision=judgement.decision,
            checklist=judgement.checklist,
            findings=self._findings(judgement, case),
            reasons=judgement.reasons,
        )
        try:
            check_review(review, case.claims, case.now.date())
        except Refused as refused:
            raise refusal_problem(refused.refusal.value, refused.detail) from None
        noted = (NoteKind.REVIEW, judgement.note)
        return await self._noted(actor, application_id, VettingWorkflow.review, review, noted, update_id)

    @staticmethod
    def _findings(judgement: Judgement, case: Case) -> tuple[ClaimFinding, ...]:
        if judgement.findings is not None:
            return judgement.findings
        approves = judgement.decision is ReviewDecision.APPROVE
        return plain_findings(case.claims, case.now.date()) if approves else ()

    async def decide_probation(
        self,
        actor: Actor,
        application_id: str,
        decision: ProbationDecision,
        note: str | None,
        update_id: str,
    ) -> StatusView:
        """Confirm or depart from the recommendation at the end of probation."""
        request = DecideProbation(actor_id=actor.person_id, is_lead=actor.has(*LEADS), decision=decision)
        update, noted = VettingWorkflow.decide_probation, (NoteKind.PROBATION, note)
        await self.case(actor, application_id)
        return await self._noted(actor, application_id, update, request, noted, update_id)

    async def decide_appeal(
        self, actor: Actor, application_id: str, decision: AppealDecision, note: str | None, update_id: str
    ) -> StatusView:
        """Uphold the loss or overturn it."""
        request = DecideAppeal(actor_id=actor.person_id, is_lead=actor.has(*LEADS), decision=decision)
        update, noted = VettingWorkflow.decide_appeal, (NoteKind.APPEAL_DECISION, note)
        await self.case(actor, application_id)
        return await self._noted(actor, application_id, update, request, noted, update_id)

    async def case(self, actor: Actor, application_id: str, *, judging: bool = True) -> Case:
        """Return what a decision rests on. Raises ``Problem`` where a conflict of interest forbids one."""

        def read(conn: Connection) -> Case:
            row = _existing(applications.get(conn, application_id))
            conflict = people.conflict_between(conn, actor.person_id, row.person_id) if judging else None
            if conflict is not None:
                raise Problem(Refusal.CONFLICT_OF_INTEREST.value, conflict=conflict.value)
            return Case(row, vetting.claims_of(conn, application_id))

        return await self._db.read(read)

    async def update(self, application_id: str, update: Any, request: Any, update_id: str) -> StatusView:
        """Send an update of that id and return where the application stands then. Raises ``Problem``."""
        process_id = application_process_id(application_id)
        view: StatusView = await self._processes.update(process_id, update, request, update_id)
        return view

    async def _noted(
        self,
        actor: Actor,
        application_id: str,
        update: Any,
        request: BaseModel,
        note: tuple[NoteKind, str | None],
        update_id: str,
    ) -> StatusView:
        """Send ``request`` with the text of ``note`` kept behind its ``note_id``."""
        kind, body = note

        async def act(note_id: str | None) -> StatusView:
            noted = request.model_copy(update={"note_id": note_id}) if note_id else request
            return await self.update(application_id, update, noted, update_id)

        process_id = application_process_id(application_id)
        return await self._processes.with_note(process_id, actor.person_id, body, kind, update_id, act)


def _act(actor: Actor) -> Act:
    return Act(actor_id=actor.person_id, is_lead=actor.has(*LEADS))


def _existing(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise Problem("not_found")
    return row


def _text(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _appeal_too_late(conn: Connection, application_id: str) -> Problem:
    """Say why there is no appeal to a process that has ended: it was used, or its time is over."""
    row = _existing(applications.get(conn, application_id))
    if row.status not in APPEALABLE:
        return Problem(Refusal.NOT_OPEN.value)
    used = any(entry.code == "appealed" for entry in vetting.timeline_of(conn, application_id))
    return Problem((Refusal.APPEAL_USED if used else Refusal.APPEAL_CLOSED).value)
