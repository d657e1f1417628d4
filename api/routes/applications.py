"""Applications: drafting, documents, handing in, and where one stands."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.conditional import IfMatch, IfMatchNeeded, edit_version_of, etag_of
from api.dependencies import DatabaseDep, ObjectId, PartsDep
from api.idempotency import Answer, OnceDep, exempt
from api.intake import body_up_to
from api.pagination import Page, PagingDep
from api.parts import Parts
from api.paths import PREFIX
from api.problems import Problem
from api.schemas.applications import (
    AppealIn,
    ApplicationChanges,
    ApplicationIn,
    ApplicationOut,
    ApplicationSummary,
    DocumentOut,
    NoBody,
    StatusOut,
    TimelineOut,
)
from api.security import allow
from api.security.gate import Actor
from api.security.rules import Guard
from api.services import applications as reading
from api.services import drafts
from api.services.applications import VETTING_STAFF, status_out, summary
from api.services.vetting import VettingService
from contracts.vetting import StatusView
from db.repositories import applications, documents
from domain.documents import DocumentKind
from domain.vetting import Status

router = APIRouter(prefix=PREFIX, tags=["applications"])

_OWNER_OR_STAFF = allow.owner_or(
    *VETTING_STAFF,
    owner=applications.owner_of,
    parameter="application_id",
    private=applications.never_handed_in,
)
_OWNER = allow.owner_or(owner=applications.owner_of, parameter="application_id")

Reader = Annotated[Actor, _OWNER_OR_STAFF]
Applicant = Annotated[Actor, _OWNER]

MAX_UPLOAD = 2**40
"""No bound: that of the policy is applied while the file is read, and told as a problem."""


async def _vetting(parts: PartsDep) -> VettingService:
    return VettingService(parts.db, parts.temporal, parts.settings)


Vetting = Annotated[VettingService, Depends(_vetting)]


async def _unconditional(db: DatabaseDep, application_id: str) -> Problem:
    """Return the problem that says which ``If-Match`` a change has to carry."""
    row = await db.read(lambda conn: applications.get(conn, application_id))
    if row is None:
        return Problem("not_found")
    etag = etag_of(row.edit_version)
    return Problem("precondition_required", headers={"ETag": etag}, etag=etag)


def _shown(conn: Connection, application_id: str, actor: Actor, status: int) -> Answer:
    out = reading.whole(conn, application_id, actor)
    headers = {"ETag": etag_of(out.edit_version)}
    if status == 201:
        headers["Location"] = f"/api/v1/applications/{application_id}"
    return Answer(status, out, headers)


@router.post(
    "/applications",
    summary="Begin an application",
    status_code=201,
    response_model=ApplicationOut,
)
async def create(
    actor: Annotated[Actor, allow.members], once: OnceDep, given: ApplicationIn | None = None
) -> Response:
    """Save a draft; everything can be added later. A person has one application under way at a time."""

    def effect(conn: Connection) -> Answer:
        return _shown(conn, drafts.create(conn, actor, given or ApplicationIn()), actor, 201)

    return await once.write(actor.person_id, effect)


@router.get("/applications", summary="Applications: my own, or all that were handed in")
async def listed(
    actor: Annotated[Actor, allow.signed_in],
    db: DatabaseDep,
    paging: PagingDep,
    status: Status | None = None,
    mine: Annotated[bool, Query(description="Staff: only my own")] = False,
) -> Page[ApplicationSummary]:
    """Return applications, newest first: staff see everybody's, other people their own."""
    own = mine or not actor.has(*VETTING_STAFF)
    return await _page(actor, db, paging, status, actor.person_id if own else None)


@router.get("/me/applications", summary="My applications")
async def own(
    actor: Annotated[Actor, allow.signed_in], db: DatabaseDep, paging: PagingDep
) -> Page[ApplicationSummary]:
    """Return the applications of whoever asks, newest first."""
    return await _page(actor, db, paging, None, actor.person_id)


async def _page(
    actor: Actor, db: DatabaseDep, paging: PagingDep, status: Status | None, person_id: str | None
) -> Page[ApplicationSummary]:
    rows = await db.read(
        lambda conn: applications.page(
            conn,
            person_id=person_id,
            status=status,
            before=str(paging.after[0]) if paging.after else None,
            limit=paging.fetch,
        )
    )
    shown, cursor = paging.cut(rows, lambda row: [row.id])
    return Page(items=[summary(row) for row in shown], next_cursor=cursor)


@router.get(
    "/applications/{application_id}", summary="Where an application stands", response_model=ApplicationOut
)
async def show(guard: Annotated[Guard, allow.inside(_OWNER_OR_STAFF)], application_id: ObjectId) -> Response:
    """Return the whole application: who must act, by when, and what happens if nobody does."""
    out = await guard.read(lambda conn, actor: reading.whole(conn, application_id, actor))
    return Response(
        out.model_dump_json(), media_type="application/json", headers={"ETag": etag_of(out.edit_version)}
    )


@router.get("/applications/{application_id}/timeline", summary="What happened to an application")
async def timeline(actor: Reader, application_id: ObjectId, db: DatabaseDep) -> TimelineOut:
    """Return the timeline, oldest first: who did what, when and why, as far as the reader may know."""
    return TimelineOut(items=await db.read(lambda conn: reading.timeline(conn, application_id, actor)))


@router.patch(
    "/applications/{application_id}", summary="Change an application", response_model=ApplicationOut
)
async def change(
    actor: Applicant,
    application_id: ObjectId,
    given: ApplicationChanges,
    once: OnceDep,
    db: DatabaseDep,
    if_match: IfMatchNeeded = None,
) -> Response:
    """Change a draft, or an application sent back for changes, that is still as it was read."""
    version = edit_version_of(if_match)
    if version is None:
        raise await _unconditional(db, application_id)

    def effect(conn: Connection) -> Answer:
        drafts.change(conn, actor, application_id, version, given)
        return _shown(conn, application_id, actor, 200)

    return await once.write(actor.person_id, effect)


_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["kind", "file"],
                    "properties": {
                        "kind": {"type": "string", "enum": [kind.value for kind in DocumentKind]},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/applications/{application_id}/documents",
    summary="Hand in a document",
    status_code=201,
    openapi_extra=_UPLOAD_FORM | body_up_to(MAX_UPLOAD) | exempt("the same file is kept once"),
)
async def add_document(
    actor: Applicant, application_id: ObjectId, request: Request, parts: PartsDep
) -> DocumentOut:
    """Take in a PDF, PNG, JPEG or WebP while the application can be edited; metadata of images is removed."""
    document_id = await parts.documents.add(application_id, request, actor.locale)
    row = await parts.db.read(lambda conn: documents.get(conn, application_id, document_id))
    if row is None:
        raise Problem("not_found")
    return DocumentOut(
        id=row.id,
        kind=row.kind,
        name=row.original_name,
        media_type=row.media_type,
        size=row.size,
        created_at=row.created_at,
    )


@router.get(
    "/applications/{application_id}/documents/{document_id}",
    summary="Read a document",
    response_class=FileResponse,
)
async def read_document(
    actor: Reader, application_id: ObjectId, document_id: ObjectId, parts: PartsDep
) -> FileResponse:
    """Return the file, always to be saved and never to be run in the place of a page."""
    return await file_of(parts, application_id, document_id)


async def file_of(parts: Parts, application_id: str, document_id: str) -> FileResponse:
    """Return a document as an answer that no browser runs in the place of a page. Raises ``Problem``."""
    row, path = await parts.documents.find(application_id, document_id)
    return FileResponse(
        path,
        media_type=row.media_type,
        filename=row.original_name,
        content_disposition_type="attachment",
        headers={
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-store",
        },
    )


@router.delete(
    "/applications/{application_id}/documents/{document_id}",
    summary="Take a document back",
    status_code=204,
    openapi_extra=exempt("deleting twice deletes once"),
)
async def remove_document(
    actor: Applicant, application_id: ObjectId, document_id: ObjectId, parts: PartsDep
) -> None:
    """Remove a document while the application can be edited, also from the claims that name it."""
    await parts.documents.remove(application_id, document_id)


async def acted(
    once: OnceDep, actor: Actor, act: Callable[[str], Awaitable[StatusView]], status: int = 200
) -> Response:
    """Ask the process once for each idempotency key and answer with where the application stands."""

    async def effect(update_id: str) -> Answer:
        return Answer(status, status_out(await act(update_id), actor.locale))

    return await once.call(actor.person_id, effect)


@router.post(
    "/applications/{application_id}/submit", summary="Hand an application in", response_model=StatusOut
)
async def submit(
    actor: Applicant,
    application_id: ObjectId,
    once: OnceDep,
    vetting: Vetting,
    given: NoBody = None,
    if_match: IfMatch = None,
) -> Response:
    """Start the review; sent twice it starts once. With ``If-Match`` only what was read is handed in."""
    version = edit_version_of(if_match)
    return await acted(once, actor, lambda _: vetting.submit(actor, application_id, version))


@router.post(
    "/applications/{application_id}/resubmit",
    summary="Answer a request for changes",
    response_model=StatusOut,
)
async def resubmit(
    actor: Applicant,
    application_id: ObjectId,
    once: OnceDep,
    vetting: Vetting,
    given: NoBody = None,
    if_match: IfMatch = None,
) -> Response:
    """Hand the application in again after changes; a fresh round of review begins."""
    version = edit_version_of(if_match)
    return await acted(once, actor, lambda u: vetting.resubmit(actor, application_id, version, u))


@router.post(
    "/applications/{application_id}/withdraw", summary="Withdraw an application", response_model=StatusOut
)
async def withdraw(
    actor: Applicant,
    application_id: ObjectId,
    once: OnceDep,
    vetting: Vetting,
    db: DatabaseDep,
    given: NoBody = None,
) -> Response:
    """End an application in any stage; while an appeal is decided, take the appeal back."""

    async def effect(update_id: str) -> Answer:
        view = await vetting.withdraw(actor, application_id, update_id)
        if view is not None:
            return Answer(200, status_out(view, actor.locale))
        whole = await db.read(lambda conn: reading.whole(conn, application_id, actor))
        return Answer(200, StatusOut(**whole.model_dump(include=set(StatusOut.model_fields))))

    return await once.call(actor.person_id, effect)


@router.post("/applications/{application_id}/appeal", summary="Appeal", response_model=StatusOut)
async def appeal(
    actor: Applicant, application_id: ObjectId, given: AppealIn, once: OnceDep, vetting: Vetting
) -> Response:
    """Appeal once, in time, against a rejection or a failed probation; other people decide."""
    return await acted(once, actor, lambda u: vetting.appeal(actor, application_id, given.reason, u))
