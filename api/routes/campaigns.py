"""Campaigns: drafting, handing in, the decision of staff, and steering one that runs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.responses import Response

from api.conditional import IfMatchNeeded, edit_version_of, etag_of
from api.dependencies import DatabaseDep, ObjectId, PartsDep
from api.idempotency import Answer, OnceDep
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.problems import Problem
from api.schemas.applications import NoBody
from api.schemas.campaigns import (
    CampaignChanges,
    CampaignIn,
    CampaignOut,
    CampaignStatusOut,
    CampaignSummary,
    ExtendIn,
    MetricsOut,
    ReviewIn,
    StopIn,
)
from api.security import allow
from api.security.gate import Actor
from api.services import campaign_desk, campaign_drafts, campaign_views, invitation_growth
from api.services.campaign_views import PUBLIC, status_out
from api.services.campaigns import LAUNCHERS, MANAGERS, CampaignService
from contracts.campaigns import CampaignView
from db.repositories import campaigns
from db.repositories.campaigns import NotEditable, Stale
from domain.campaigns.terms import Status

router = APIRouter(prefix=PREFIX, tags=["campaigns"])

_LEADER = allow.owner_or(owner=campaigns.leader_of, parameter="campaign_id")
_LEADER_OR_STAFF = allow.owner_or(*MANAGERS, owner=campaigns.leader_of, parameter="campaign_id")

Leader = Annotated[Actor, _LEADER]
LeaderOrStaff = Annotated[Actor, _LEADER_OR_STAFF]
Manager = Annotated[Actor, allow.roles(*MANAGERS)]


async def _service(parts: PartsDep) -> CampaignService:
    return CampaignService(parts.db, parts.temporal, parts.settings)


Campaigns = Annotated[CampaignService, Depends(_service)]


def _shown(conn: Connection, campaign_id: str, actor: Actor, status: int) -> Answer:
    out = campaign_views.whole(conn, campaign_id, actor)
    if out is None:
        raise Problem("not_found")
    headers = {"ETag": etag_of(out.edit_version)}
    if status == 201:
        headers["Location"] = f"{PREFIX}/campaigns/{campaign_id}"
    return Answer(status, out, headers)


async def _acted(once: OnceDep, actor: Actor, act: Callable[[str], Awaitable[CampaignView]]) -> Response:
    async def effect(update_id: str) -> Answer:
        return Answer(200, status_out(await act(update_id), actor.locale))

    return await once.call(actor.person_id, effect)


@router.post("/campaigns", summary="Begin a campaign", status_code=201, response_model=CampaignOut)
async def create(
    actor: Annotated[Actor, allow.roles(*LAUNCHERS)], given: CampaignIn, once: OnceDep
) -> Response:
    """Save a draft from a template; everything can be changed until it is handed in."""

    def effect(conn: Connection) -> Answer:
        campaign_id = campaign_drafts.create(conn, actor, given, datetime.now(UTC))
        return _shown(conn, campaign_id, actor, 201)

    return await once.write(actor.person_id, effect)


@router.get("/campaigns", summary="Campaigns that were approved")
async def listed(
    actor: Annotated[Actor, allow.signed_in], db: DatabaseDep, paging: PagingDep, status: Status | None = None
) -> Page[CampaignSummary]:
    """Return campaigns that members can see, newest first."""
    wanted = sorted(PUBLIC if status is None else PUBLIC & {status})
    return await _page(actor, db, paging, wanted, None)


@router.get("/me/campaigns", summary="The campaigns that I lead")
async def own(
    actor: Annotated[Actor, allow.signed_in], db: DatabaseDep, paging: PagingDep
) -> Page[CampaignSummary]:
    """Return the campaigns of whoever asks, drafts included, newest first."""
    return await _page(actor, db, paging, list(Status), actor.person_id)


@router.get("/staff/campaigns", summary="Campaigns, for staff")
async def waiting(
    actor: Manager, db: DatabaseDep, paging: PagingDep, status: Status = Status.IN_REVIEW
) -> Page[CampaignSummary]:
    """Return everybody's campaigns of one status; those that wait for approval by how long they wait."""
    return await db.read(lambda conn: campaign_desk.queue(conn, status, paging, actor.locale))


async def _page(
    actor: Actor, db: DatabaseDep, paging: PagingDep, statuses: list[Status], leader_id: str | None
) -> Page[CampaignSummary]:
    def read(conn: Connection) -> Page[CampaignSummary]:
        before = str(paging.after[0]) if paging.after else None
        rows = campaigns.listed(conn, statuses, leader_id=leader_id, before=before, limit=paging.fetch)
        shown, cursor = paging.cut(rows, lambda row: [row.id])
        return Page(items=campaign_views.listed(conn, shown, actor.locale), next_cursor=cursor)

    return await db.read(read)


@router.get("/campaigns/{campaign_id}", summary="Where a campaign stands", response_model=CampaignOut)
async def show(actor: Annotated[Actor, allow.signed_in], campaign_id: ObjectId, db: DatabaseDep) -> Response:
    """Return the whole campaign. Before the approval only its leader and staff can see it."""
    answer = await db.read(lambda conn: _shown(conn, campaign_id, actor, 200))
    return Response(answer.body, media_type="application/json", headers=answer.headers)


@router.patch("/campaigns/{campaign_id}", summary="Change a draft", response_model=CampaignOut)
async def change(
    actor: Leader,
    campaign_id: ObjectId,
    given: CampaignChanges,
    once: OnceDep,
    db: DatabaseDep,
    if_match: IfMatchNeeded = None,
) -> Response:
    """Change a draft, or a campaign sent back for changes, that is still as it was read."""
    version = edit_version_of(if_match)
    if version is None:
        row = await db.read(lambda conn: campaigns.get(conn, campaign_id))
        etag = etag_of(row.edit_version) if row else ""
        raise Problem("precondition_required", headers={"ETag": etag}, etag=etag)

    def effect(conn: Connection) -> Answer:
        try:
            campaigns.edit(conn, campaign_id, version, given.words, given.plan, datetime.now(UTC))
        except Stale as stale:
            raise Problem("edit_conflict", headers={"ETag": etag_of(stale.edit_version)}) from None
        except NotEditable:
            raise Problem("campaign_not_editable") from None
        return _shown(conn, campaign_id, actor, 200)

    return await once.write(actor.person_id, effect)


@router.post(
    "/campaigns/{campaign_id}/submit", summary="Hand a campaign in", response_model=CampaignStatusOut
)
async def submit(
    actor: Leader, campaign_id: ObjectId, once: OnceDep, service: Campaigns, given: NoBody = None
) -> Response:
    """Ask staff to approve the plan; it cannot be changed meanwhile."""
    return await _acted(once, actor, lambda u: service.submit(actor, campaign_id, u))


@router.post(
    "/campaigns/{campaign_id}/review", summary="Decide about a campaign", response_model=CampaignStatusOut
)
async def review(
    actor: Manager, campaign_id: ObjectId, given: ReviewIn, once: OnceDep, service: Campaigns
) -> Response:
    """Approve, reject or ask for changes. An approval reserves the greatest possible reward."""
    reasons = tuple(given.reasons)
    return await _acted(
        once,
        actor,
        lambda u: service.review(actor, campaign_id, given.decision, reasons, given.note, u),
    )


@router.post("/campaigns/{campaign_id}/pause", summary="Pause", response_model=CampaignStatusOut)
async def pause(
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    once: OnceDep,
    service: Campaigns,
    given: StopIn | None = None,
) -> Response:
    """Stop a running campaign: no check-ins, no reminders, and no day ends."""
    reason = given.reason if given else None
    return await _acted(once, actor, lambda u: service.pause(actor, campaign_id, reason, u))


@router.post("/campaigns/{campaign_id}/resume", summary="Resume", response_model=CampaignStatusOut)
async def resume(
    actor: LeaderOrStaff, campaign_id: ObjectId, once: OnceDep, service: Campaigns, given: NoBody = None
) -> Response:
    """Go on with the day at which it was paused; the days to come move."""
    return await _acted(once, actor, lambda u: service.resume(actor, campaign_id, u))


@router.post("/campaigns/{campaign_id}/extend", summary="Extend", response_model=CampaignStatusOut)
async def extend(
    actor: LeaderOrStaff, campaign_id: ObjectId, given: ExtendIn, once: OnceDep, service: Campaigns
) -> Response:
    """Add days at the end; what more they could pay is reserved first."""
    return await _acted(once, actor, lambda u: service.extend(actor, campaign_id, given.days, u))


@router.post(
    "/campaigns/{campaign_id}/cancel",
    summary="Cancel",
    response_model=CampaignStatusOut,
    responses={204: {"description": "A draft, which is deleted"}},
)
async def cancel(
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    once: OnceDep,
    service: Campaigns,
    given: StopIn | None = None,
) -> Response:
    """End a campaign before its time; what was earned is settled. A draft is deleted (204)."""

    async def effect(update_id: str) -> Answer:
        view = await service.cancel(actor, campaign_id, given.reason if given else None, update_id)
        return Answer(204) if view is None else Answer(200, status_out(view, actor.locale))

    return await once.call(actor.person_id, effect)


@router.get("/campaigns/{campaign_id}/metrics", summary="The live numbers of a campaign")
async def metrics(actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep) -> MetricsOut:
    """Return members, streaks and check-ins by day, and what invitations have done so far."""

    def read(conn: Connection) -> MetricsOut:
        growth = invitation_growth.live(conn, campaign_id, datetime.now(UTC))
        return campaign_views.metrics(conn, campaign_id).model_copy(update={"invitations": growth})

    return await db.read(read)
