"""A member's own invitations to a campaign: link, QR code, mail, and how far the friends have come."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.campaigns import Member, seen_by
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pagination import Paging, PagingDep
from api.parts import Parts
from api.problems import Problem
from api.schemas.campaigns import CampaignOut
from api.schemas.invitations import InvitationIn, InvitationOut, InvitationsOut
from api.security.gate import Actor
from api.services import invitations
from api.services.campaigns import existing
from api.services.invitation_mails import good_until, may_invite
from domain.campaigns.invitations import Channel, InvitationStatus
from domain.campaigns.plan import InvitationMode
from domain.campaigns.terms import OPEN_STATUSES, keeps_joining

router = APIRouter(prefix="/campaigns/{campaign_id}/invitations")

_PERSONAL = (Channel.LINK, Channel.QR)


def _read(
    conn: Connection, campaign_id: str, actor: Actor, base: str, paging: Paging
) -> tuple[CampaignOut, InvitationsOut, datetime | None, bool]:
    campaign = seen_by(conn, campaign_id, actor)
    made = invitations.mine(conn, campaign_id, actor.person_id, base, paging, datetime.now(UTC))
    link = _usable(made).get(Channel.LINK.value)
    row = existing(conn, campaign_id)
    until = good_until(conn, row, link.expires_at) if link else None
    return campaign, made, until, may_invite(conn, row, actor.person_id)


def _usable(made: InvitationsOut) -> dict[str, InvitationOut]:
    """Return the personal codes by which friends can still come, by channel."""
    return {
        one.channel.value: one
        for one in made.invitations
        if one.channel in _PERSONAL and one.status is not InvitationStatus.EXPIRED
    }


async def _page(
    request: Request,
    actor: Actor,
    campaign_id: str,
    parts: Parts,
    paging: Paging,
    form: Form | None = None,
    status: int = 200,
) -> Response:
    base = parts.settings.public_url
    campaign, made, good, may = await parts.db.read(
        lambda conn: _read(conn, campaign_id, actor, base, paging)
    )
    return page(
        request,
        "invitations/mine",
        actor,
        status=status,
        here=f"/campaigns/{campaign_id}/invitations",
        c=campaign,
        made=made,
        first=paging.after is None,
        usable=_usable(made),
        mailed=[one for one in made.invitations if one.channel is Channel.EMAIL],
        open=campaign.status in OPEN_STATUSES and campaign.plan.invitations.mode is not InvitationMode.OFF,
        joining=keeps_joining(campaign.status, campaign.day, campaign.plan.last_joining_day),
        good_until=good,
        may=may,
        leads=campaign.leader.id == actor.person_id,
        form=form or Form(),
    )


@router.get("")
async def show(
    request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show my invitations; who does not take part is led to the campaign."""
    try:
        return await _page(request, actor, campaign_id, parts, paging)
    except Problem as problem:
        if problem.code != "not_enrolled":
            raise
        return seen(f"/campaigns/{campaign_id}")


@router.post("", openapi_extra=exempt("asked again the codes are the same"))
async def make(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Make my personal codes, for the link and for the picture."""
    base = parts.settings.public_url

    def write(conn: Connection) -> None:
        for channel in _PERSONAL:
            given = InvitationIn(channel=channel)
            invitations.make(conn, campaign_id, actor.person_id, given, base, datetime.now(UTC))

    await parts.db.write(write)
    return seen(f"/campaigns/{campaign_id}/invitations")


@router.post("/mail", openapi_extra=exempt("an address is invited once"))
async def invite_by_mail(
    request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Mail an invitation to a friend."""
    values = await typed(request)
    wish: dict[str, Any] = {"channel": Channel.EMAIL.value, "email": values.get("email", "").strip()}
    given, form = checked(InvitationIn, wish, actor.locale)
    if given is None:
        return await _page(request, actor, campaign_id, parts, paging, Form(values, form.errors), 422)
    base = parts.settings.public_url
    try:
        await parts.db.write(
            lambda conn: invitations.make(conn, campaign_id, actor.person_id, given, base, datetime.now(UTC))
        )
    except Problem as problem:
        if problem.code in {"not_found", "not_enrolled"}:
            raise
        form = told(problem, values, actor.locale)
        return await _page(request, actor, campaign_id, parts, paging, form, problem.status)
    return seen(f"/campaigns/{campaign_id}/invitations", "invitation_mailed")


@router.post("/{invitation_id}/revoke", openapi_extra=exempt("it stays taken back"))
async def revoke(actor: Member, campaign_id: ObjectId, invitation_id: ObjectId, parts: PartsDep) -> Response:
    """Take an invitation back: nobody can join by it any more."""
    await parts.db.write(
        lambda conn: invitations.revoke(conn, campaign_id, actor.person_id, invitation_id, datetime.now(UTC))
    )
    return seen(f"/campaigns/{campaign_id}/invitations", "invitation_revoked")
