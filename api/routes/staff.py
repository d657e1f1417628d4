"""The staff's desk: queues, decisions, and what they rest on."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.idempotency import Answer, OnceDep
from api.inputs import OneLine
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.routes.applications import Vetting, acted
from api.schemas.applications import NoBody, StatusOut
from api.schemas.staff import (
    AppealDecisionIn,
    Claimed,
    EarlierOut,
    ProbationDecisionIn,
    QueueItem,
    ReviewIn,
    ReviewsOut,
    ViolationIn,
    ViolationNoted,
    ViolationsOut,
)
from api.security import allow
from api.security.gate import Actor
from api.services import desk
from api.services.applications import VETTING_STAFF
from api.services.vetting import Judgement
from api.services.violations import Report, ViolationService
from db.repositories import review_queue
from db.repositories.review_queue import QueuePlace
from domain.credentials import ClaimFinding
from domain.people import STAFF_ROLES, Role
from domain.vetting.desk import Queue, Verdict

router = APIRouter(prefix=PREFIX, tags=["staff"])

REVIEWERS = (Role.REVIEWER, Role.LEAD_REVIEWER, Role.ADMIN)
Reviewer = Annotated[Actor, allow.roles(*REVIEWERS)]
Staff = Annotated[Actor, allow.roles(*VETTING_STAFF)]
AnyStaff = Annotated[Actor, allow.roles(*sorted(STAFF_ROLES))]


@router.get("/staff/queue", summary="What waits")
async def queue(
    actor: Staff,
    db: DatabaseDep,
    paging: PagingDep,
    kind: Queue | None = None,
    q: Annotated[OneLine, Query(max_length=100, description="Part of a name or headline")] = "",
    claimed: Annotated[Claimed | None, Query(description="`me`: only what I hold")] = None,
) -> Page[QueueItem]:
    """Return applications that wait, by deadline; without ``kind`` those of every queue."""
    rows = await db.read(
        lambda conn: review_queue.queue(
            conn,
            kind=kind,
            search=q or None,
            claimed_by=actor.person_id if claimed else None,
            without_person=actor.person_id,
            after=_place(paging.after),
            limit=paging.fetch,
        )
    )
    shown, cursor = paging.cut(rows, lambda row: [row.deadline.isoformat(), row.id])
    return Page(items=[desk.item(row) for row in shown], next_cursor=cursor)


def _place(after: list[Any] | None) -> QueuePlace | None:
    return None if after is None else QueuePlace(datetime.fromisoformat(after[0]), str(after[1]))


@router.post("/applications/{application_id}/claim", summary="Hold an application", response_model=StatusOut)
async def claim(
    actor: Reviewer, application_id: ObjectId, once: OnceDep, vetting: Vetting, given: NoBody = None
) -> Response:
    """Take an application to review; nobody else can decide meanwhile."""
    return await acted(once, actor, lambda u: vetting.claim(actor, application_id, u))


@router.post("/applications/{application_id}/release", summary="Give it back", response_model=StatusOut)
async def release(
    actor: Reviewer, application_id: ObjectId, once: OnceDep, vetting: Vetting, given: NoBody = None
) -> Response:
    """Give an application back to the queue; a lead reviewer may release another's hold."""
    return await acted(once, actor, lambda u: vetting.release(actor, application_id, u))


@router.post("/applications/{application_id}/conflicts", summary="Step aside", response_model=StatusOut)
async def declare_conflict(
    actor: Staff, application_id: ObjectId, once: OnceDep, vetting: Vetting, given: NoBody = None
) -> Response:
    """Declare a conflict of interest: this person cannot decide about this applicant any more."""
    return await acted(once, actor, lambda u: vetting.declare_conflict(actor, application_id, u))


@router.post("/applications/{application_id}/review", summary="Give an opinion", response_model=StatusOut)
async def review(
    actor: Reviewer, application_id: ObjectId, given: ReviewIn, once: OnceDep, vetting: Vetting
) -> Response:
    """Approve, reject with reasons, or ask for changes. The note reaches the applicant unless it approves."""
    judgement = Judgement(
        decision=given.decision,
        checklist=given.checklist,
        findings=_findings(given),
        reasons=given.given_reasons,
        note=given.note or None,
    )
    return await acted(once, actor, lambda u: vetting.review(actor, application_id, judgement, u))


def _findings(given: ReviewIn) -> tuple[ClaimFinding, ...] | None:
    if "findings" not in given.model_fields_set:
        return None
    return tuple(ClaimFinding(**finding.model_dump()) for finding in given.findings)


@router.post(
    "/applications/{application_id}/probation-decision",
    summary="Decide a probation",
    response_model=StatusOut,
)
async def decide_probation(
    actor: Reviewer, application_id: ObjectId, given: ProbationDecisionIn, once: OnceDep, vetting: Vetting
) -> Response:
    """Confirm the computed recommendation, or depart from it with a note that says why."""
    return await acted(
        once,
        actor,
        lambda u: vetting.decide_probation(actor, application_id, given.decision, given.note or None, u),
    )


@router.post(
    "/applications/{application_id}/appeal-decision", summary="Decide an appeal", response_model=StatusOut
)
async def decide_appeal(
    actor: Reviewer, application_id: ObjectId, given: AppealDecisionIn, once: OnceDep, vetting: Vetting
) -> Response:
    """Uphold the loss or overturn it; not for those who decided before."""
    return await acted(
        once,
        actor,
        lambda u: vetting.decide_appeal(actor, application_id, given.decision, given.note or None, u),
    )


@router.post(
    "/applications/{application_id}/violations",
    summary="Report, confirm or dismiss a violation",
    status_code=201,
    response_model=ViolationNoted,
)
async def violations(
    actor: AnyStaff,
    application_id: ObjectId,
    given: ViolationIn,
    once: OnceDep,
    vetting: Vetting,
    db: DatabaseDep,
) -> Response:
    """Note a violation; moderators confirm or dismiss it. A confirmed one brings probation to its review."""
    if given.verdict is not Verdict.REPORTED:
        actor.require(Role.MODERATOR, Role.ADMIN)
    report = Report(
        kind=given.kind,
        verdict=given.verdict,
        occurred_at=given.occurred_at,
        note=given.note or None,
        violation_id=given.violation_id,
    )

    async def effect(update_id: str) -> Answer:
        violation_id = await ViolationService(db, vetting).settle(actor, application_id, report, update_id)
        return Answer(201, ViolationNoted(violation_id=violation_id, verdict=given.verdict))

    return await once.call(actor.person_id, effect)


@router.get("/applications/{application_id}/violations", summary="Violations noted")
async def noted_violations(actor: Staff, application_id: ObjectId, db: DatabaseDep) -> ViolationsOut:
    """Return what was reported about a leader in this application, oldest first."""

    def read(conn: Connection) -> ViolationsOut:
        desk.not_own(conn, actor, application_id)
        return ViolationsOut(items=desk.violations(conn, application_id))

    return await db.read(read)


@router.get("/applications/{application_id}/reviews", summary="Reviews given")
async def reviews(actor: Staff, application_id: ObjectId, db: DatabaseDep) -> ReviewsOut:
    """Return every review with its checklist, findings and note, oldest first.

    Who may still give the second opinion of a round sees the first only after that.
    """
    return await db.read(lambda conn: desk.reviews(conn, desk.not_own(conn, actor, application_id), actor))


@router.get("/staff/applications/{application_id}/earlier", summary="Earlier tries")
async def earlier(actor: Staff, application_id: ObjectId, db: DatabaseDep) -> EarlierOut:
    """Return the same person's other applications and why they were lost, newest first."""

    def read(conn: Connection) -> EarlierOut:
        desk.not_own(conn, actor, application_id)
        return EarlierOut(items=desk.earlier(conn, application_id))

    return await db.read(read)
