"""Doubtful friends, for staff: the queue, a case, the decision."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.idempotency import Answer, OnceDep
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.schemas.invitation_doubts import CaseOut, DecidedOut, DoubtDecisionIn, DoubtOut
from api.security import allow
from api.security.gate import Actor
from api.services import invitation_doubts
from domain.campaigns.invitation_doubts import DoubtReason
from domain.people import Role

router = APIRouter(prefix=f"{PREFIX}/staff/invitations/doubtful", tags=["invitations"])

JUDGES = (Role.CAMPAIGN_MANAGER, Role.MODERATOR, Role.ADMIN)
Judge = Annotated[Actor, allow.roles(*JUDGES)]


@router.get("", summary="Doubtful friends")
async def queue(
    actor: Judge, db: DatabaseDep, paging: PagingDep, reason: DoubtReason | None = None
) -> Page[DoubtOut]:
    """Return friends who count for nothing until somebody decides, with the reasons, oldest first."""
    return await db.read(lambda conn: invitation_doubts.queue(conn, paging, reason))


@router.get("/{join_id}", summary="One doubtful friend")
async def show(actor: Judge, join_id: ObjectId, db: DatabaseDep) -> CaseOut:
    """Return both people, what the friend did, what the inviter did before, and the decision if any."""
    return await db.read(lambda conn: invitation_doubts.case(conn, join_id))


@router.post("/{join_id}/decision", summary="Decide about a doubtful friend", response_model=DecidedOut)
async def decide(actor: Judge, join_id: ObjectId, given: DoubtDecisionIn, once: OnceDep) -> Response:
    """Let a friend count, or never. After the settlement what is due for one that counts is paid at once."""

    def effect(conn: Connection) -> Answer:
        return Answer(200, invitation_doubts.decide(conn, join_id, given, actor.person_id, datetime.now(UTC)))

    return await once.write(actor.person_id, effect)
