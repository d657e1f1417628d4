"""Invitations: personal codes, and by whom one came."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId, SettingsDep
from api.idempotency import Answer, OnceDep, exempt
from api.pagination import PagingDep
from api.paths import PREFIX
from api.schemas.invitations import (
    InvitationIn,
    InvitationOut,
    InvitationsOut,
    InvitersOut,
    SeverIn,
)
from api.security import allow
from api.security.gate import Actor
from api.services import invitations
from db.repositories import invitation_attribution

router = APIRouter(prefix=PREFIX, tags=["invitations"])

Member = Annotated[Actor, allow.members]


@router.post(
    "/campaigns/{campaign_id}/invitations",
    status_code=201,
    summary="Invite friends",
    response_model=InvitationOut,
)
async def invite(
    actor: Member,
    campaign_id: ObjectId,
    settings: SettingsDep,
    once: OnceDep,
    given: InvitationIn | None = None,
) -> Response:
    """Return my personal code to pass on, as a link or as a QR code; asked again it is the same.

    Or mail an invitation with a code of its own to ``email``: the answer is the same for addresses that
    we know and those that we do not, and whether the mailbox takes it shows in its ``delivery`` later.
    """

    def effect(conn: Connection) -> Answer:
        wish, now = given or InvitationIn(), datetime.now(UTC)
        made = invitations.make(conn, campaign_id, actor.person_id, wish, settings.public_url, now)
        return Answer(201, made)

    return await once.write(actor.person_id, effect)


@router.get("/campaigns/{campaign_id}/invitations", summary="My invitations")
async def mine(
    actor: Member, campaign_id: ObjectId, settings: SettingsDep, db: DatabaseDep, paging: PagingDep
) -> InvitationsOut:
    """Return my codes, and how far the friends have come who joined by them."""
    now, base = datetime.now(UTC), settings.public_url
    return await db.read(lambda conn: invitations.mine(conn, campaign_id, actor.person_id, base, paging, now))


@router.delete(
    "/campaigns/{campaign_id}/invitations/{invitation_id}", status_code=204, summary="Take an invitation back"
)
async def revoke(actor: Member, campaign_id: ObjectId, invitation_id: ObjectId, once: OnceDep) -> Response:
    """Nobody can join by it any more; who did stays. Asked for again there is a new personal code.

    The address of one by mail is deleted, and a mail that has not left does not leave.
    """

    def effect(conn: Connection) -> Answer:
        invitations.revoke(conn, campaign_id, actor.person_id, invitation_id, datetime.now(UTC))
        return Answer(204)

    return await once.write(actor.person_id, effect)


@router.get("/me/inviters", summary="Who invited me")
async def inviters(actor: Member, db: DatabaseDep) -> InvitersOut:
    """Return by whom I came to which campaign."""
    return await db.read(lambda conn: invitations.inviters(conn, actor.person_id))


@router.post(
    "/me/inviter/sever",
    status_code=204,
    summary="Cut the link to who invited me",
    openapi_extra=exempt("it stays cut"),
)
async def sever(actor: Member, db: DatabaseDep, given: SeverIn | None = None) -> Response:
    """Whoever invited me no longer sees me, and I count for nobody from now on."""
    now, campaign_id = datetime.now(UTC), given.campaign_id if given else None
    await db.write(lambda conn: invitation_attribution.sever(conn, actor.person_id, now, campaign_id))
    return Response(status_code=204)
