"""Notes of a campaign: those shown to everybody, a member's own pictures, what may be done with own notes."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.intake import body_up_to
from api.pages.campaigns import Member, seen_by
from api.pages.campaigns_own import own_page
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pagination import PagingDep
from api.problems import Problem
from api.routes.applications import MAX_UPLOAD
from api.routes.shares import SignedIn, picture_answer
from api.schemas.shares import SharingIn
from api.services import featured, mentions
from domain.campaigns.sharing import SharingChoice

router = APIRouter(prefix="/campaigns/{campaign_id}")


@router.get("/notes")
async def notes(
    request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show the notes that the leader has shown to everybody, newest first."""

    def read(conn: Connection) -> Any:
        campaign = seen_by(conn, campaign_id, actor)
        return campaign, featured.shown_of(conn, campaign_id, paging, parts.settings.public_url)

    campaign, found = await parts.db.read(read)
    return page(request, "shares/campaign", actor, c=campaign, notes=found.items, cursor=found.next_cursor)


@router.get("/mentions")
async def mentioning(
    request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show the notes that mention me, newest first; who does not take part is led to the campaign."""

    def read(conn: Connection) -> Any:
        campaign = seen_by(conn, campaign_id, actor)
        return campaign, mentions.mentioning(conn, campaign_id, actor.person_id, paging)

    try:
        campaign, found = await parts.db.read(read)
    except Problem as problem:
        if problem.code != "not_enrolled":
            raise
        return seen(f"/campaigns/{campaign_id}")
    return page(request, "mentions/all", actor, c=campaign, found=found.items, cursor=found.next_cursor)


@router.post(
    "/pictures",
    openapi_extra=body_up_to(MAX_UPLOAD) | exempt("another picture, deleted after a day unless it is used"),
)
async def add_picture(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Take in a picture for the check-in; it is shown in the form from then on."""
    try:
        await parts.pictures.add(campaign_id, actor.person_id, request)
    except Problem as problem:
        if problem.code in {"not_found", "not_enrolled"}:
            raise
        form = told(problem, {}, actor.locale)
        return await own_page(request, actor, campaign_id, parts, form, problem.status)
    return seen(f"/campaigns/{campaign_id}/me", "picture_added")


@router.get("/pictures/{picture_id}", response_class=FileResponse)
async def picture(
    actor: SignedIn, campaign_id: ObjectId, picture_id: ObjectId, parts: PartsDep
) -> FileResponse:
    """Return a picture of a check-in to who takes part, leads or manages."""
    return await picture_answer(parts, campaign_id, picture_id, actor)


@router.post("/sharing", openapi_extra=exempt("it stays chosen"))
async def choose(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Decide whether my notes may be featured, and under which name."""
    values = await typed(request)
    given, form = checked(SharingIn, {"choice": values.get("choice", "")}, actor.locale)
    if given is None:
        return await own_page(request, actor, campaign_id, parts, Form(values, form.errors), 422)
    choice, now = given.choice, datetime.now(UTC)
    await parts.db.write(
        lambda conn: featured.choose(conn, campaign_id, actor.person_id, choice, now) and None
    )
    declined = choice is SharingChoice.DECLINED
    return seen(f"/campaigns/{campaign_id}/me", "sharing_declined" if declined else "sharing_chosen")


@router.post("/notes/{check_in_id}/private", openapi_extra=exempt("it stays private"))
async def keep_private(
    actor: Member, campaign_id: ObjectId, check_in_id: ObjectId, parts: PartsDep
) -> Response:
    """Keep a note of mine private, and take it down at once."""

    def write(conn: Connection) -> None:
        featured.set_private(conn, check_in_id, actor, True, datetime.now(UTC))

    await parts.db.write(write)
    return seen(f"/campaigns/{campaign_id}/me", "note_taken_down")
