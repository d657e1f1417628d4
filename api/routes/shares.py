"""Pictures of check-ins, featured notes, and what everybody sees of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.dependencies import DatabaseDep, ObjectId, PartsDep
from api.idempotency import Answer, OnceDep, exempt
from api.intake import body_up_to
from api.pagination import Page, PagingDep
from api.parts import Parts
from api.paths import PREFIX
from api.problems import Problem
from api.routes.applications import MAX_UPLOAD
from api.routes.campaigns import LeaderOrStaff
from api.schemas.applications import NoBody
from api.schemas.shares import (
    FeaturedOut,
    FeatureOut,
    NoteOut,
    PictureOut,
    PrivacyIn,
    SharedNoteOut,
    ShareIn,
    SharingIn,
    SharingOut,
    VisitsOut,
)
from api.security import allow
from api.security.gate import Actor
from api.services import featured
from api.services.campaign_views import may_see
from api.services.campaigns import existing
from api.services.featured import picture_path
from api.services.shared_notes import found_note, passed_on
from domain.campaigns.plan import MAX_DAYS

router = APIRouter(prefix=PREFIX, tags=["sharing"])

Member = Annotated[Actor, allow.members]
SignedIn = Annotated[Actor, allow.signed_in]
Code = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]

_PICTURE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post(
    "/campaigns/{campaign_id}/pictures",
    summary="Hand in a picture",
    status_code=201,
    openapi_extra=_PICTURE_FORM
    | body_up_to(MAX_UPLOAD)
    | exempt("another picture, deleted after a day unless a check-in names it"),
)
async def add_picture(actor: Member, campaign_id: ObjectId, request: Request, parts: PartsDep) -> PictureOut:
    """Take in a PNG, JPEG or WebP for a check-in of mine; its metadata (place, camera) is removed."""
    picture_id = await parts.pictures.add(campaign_id, actor.person_id, request)
    return PictureOut(id=picture_id, url=PREFIX + picture_path(campaign_id, picture_id))


@router.get(
    "/campaigns/{campaign_id}/pictures/{picture_id}", summary="Read a picture", response_class=FileResponse
)
async def read_picture(
    actor: SignedIn, campaign_id: ObjectId, picture_id: ObjectId, parts: PartsDep
) -> FileResponse:
    """Return a picture of a check-in to who takes part, leads or manages."""
    return await picture_answer(parts, campaign_id, picture_id, actor)


async def picture_answer(parts: Parts, campaign_id: str, picture_id: str, actor: Actor) -> FileResponse:
    """Return a picture as an answer that is never run in the place of a page. Raises ``Problem``."""
    row, path = await parts.pictures.find(campaign_id, picture_id, actor)
    headers = {
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=600",
    }
    return FileResponse(path, media_type=row.media_type, headers=headers)


@router.post("/checkins/{check_in_id}/feature", summary="Feature a note", response_model=FeatureOut)
async def feature(
    actor: SignedIn, check_in_id: ObjectId, once: OnceDep, parts: PartsDep, given: NoBody = None
) -> Response:
    """Show a note of a campaign that I lead or manage to everybody, and tell its author."""

    def effect(conn: Connection) -> Answer:
        base, now = parts.settings.public_url, datetime.now(UTC)
        return Answer(200, featured.feature(conn, check_in_id, actor, base, now))

    return await once.write(actor.person_id, effect)


@router.delete("/checkins/{check_in_id}/feature", summary="Take a featured note down", status_code=204)
async def take_down(actor: SignedIn, check_in_id: ObjectId, once: OnceDep) -> Response:
    """Take a note down; its address says from now on that it is gone."""

    def effect(conn: Connection) -> Answer:
        featured.take_down(conn, check_in_id, actor, datetime.now(UTC))
        return Answer(204)

    return await once.write(actor.person_id, effect)


@router.get("/checkins/{check_in_id}/visits", summary="Visits of a featured note")
async def visits(actor: SignedIn, check_in_id: ObjectId, db: DatabaseDep) -> list[VisitsOut]:
    """Return visits by day and host, each visitor once; without bots, the leader and the author."""
    return await db.read(lambda conn: featured.visits(conn, check_in_id, actor))


@router.put("/checkins/{check_in_id}/privacy", summary="Keep a note private", status_code=204)
async def keep_private(actor: SignedIn, check_in_id: ObjectId, given: PrivacyIn, once: OnceDep) -> Response:
    """Keep a note of mine from being featured, and take it down at once if it is; or allow it again."""

    def effect(conn: Connection) -> Answer:
        featured.set_private(conn, check_in_id, actor, given.private, datetime.now(UTC))
        return Answer(204)

    return await once.write(actor.person_id, effect)


@router.get("/campaigns/{campaign_id}/sharing", summary="What may be done with my notes")
async def sharing(actor: Member, campaign_id: ObjectId, db: DatabaseDep) -> SharingOut:
    """Return whether my notes may be featured under my name, without it, or not at all."""
    return await db.read(lambda conn: featured.choice_of(conn, campaign_id, actor.person_id))


@router.put("/campaigns/{campaign_id}/sharing", summary="Decide about my notes", response_model=SharingOut)
async def choose(actor: Member, campaign_id: ObjectId, given: SharingIn, once: OnceDep) -> Response:
    """Decide whether my notes may be featured; declined, those that are featured are taken down at once."""

    def effect(conn: Connection) -> Answer:
        now = datetime.now(UTC)
        return Answer(200, featured.choose(conn, campaign_id, actor.person_id, given.choice, now))

    return await once.write(actor.person_id, effect)


@router.get("/campaigns/{campaign_id}/notes", summary="Notes of a campaign")
async def notes(
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    db: DatabaseDep,
    paging: PagingDep,
    day: Annotated[int | None, Query(ge=1, le=MAX_DAYS)] = None,
    order: Literal["newest", "longest"] = "newest",
) -> Page[NoteOut]:
    """Return what members wrote, newest day or longest note first."""
    return await db.read(
        lambda conn: featured.notes(conn, campaign_id, paging, day, longest=order == "longest")
    )


@router.get("/campaigns/{campaign_id}/featured", summary="Featured notes of a campaign")
async def featured_notes(
    actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Page[FeaturedOut]:
    """Return featured notes with their visits and who joined by them, newest first."""
    base = parts.settings.public_url
    return await parts.db.read(lambda conn: featured.listed(conn, campaign_id, paging, base))


@router.get("/campaigns/{campaign_id}/shared-notes", summary="Notes that are shown to everybody")
async def shared_notes(
    actor: SignedIn, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Page[SharedNoteOut]:
    """Return the featured notes of a campaign as everybody sees them at their addresses, newest first."""

    def read(conn: Connection) -> Page[SharedNoteOut]:
        if not may_see(conn, existing(conn, campaign_id), actor):
            raise Problem("not_found")
        return featured.shown_of(conn, campaign_id, paging, parts.settings.public_url)

    return await parts.db.read(read)


@router.get("/shared-notes/{code}", summary="A shared note", dependencies=[allow.anyone])
async def shared_note(request: Request, code: Code, parts: PartsDep) -> SharedNoteOut:
    """Return a note that is shown to everybody. Reading it here is no visit."""
    note = await found_note(request, parts, code)
    return featured.shared_out(note, parts.settings.public_url)


@router.post(
    "/shared-notes/{code}/shares",
    summary="Pass a shared note on",
    status_code=204,
    dependencies=[allow.anyone],
    openapi_extra=exempt("counted once a person or visitor and channel"),
)
async def share(request: Request, code: Code, given: ShareIn, parts: PartsDep) -> Response:
    """Record that I passed a note on. It is counted, and never rewarded."""
    await passed_on(request, parts, code, given.channel)
    return Response(status_code=204)
