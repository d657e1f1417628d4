"""The applicant's wizard: a step a page, saved as it goes, and a check of what is missing at its end."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.intake import body_up_to
from api.pages.applications import Owner, asked, once_of, vetting_of
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.parts import Parts, parts_of
from api.problems import Problem
from api.routes.applications import MAX_UPLOAD, Reader, file_of
from api.schemas.applications import ApplicationIn, ApplicationOut, EntryOut
from api.security.gate import Actor
from api.services import applications as reading
from api.services import drafts
from domain.ids import new_id
from domain.vetting import Stage

router = APIRouter(prefix="/applications/{application_id}")

Step = Literal["profile", "statement", "credentials", "documents", "check"]
STEPS: Final[tuple[Step, ...]] = ("profile", "statement", "credentials", "documents", "check")
_LISTS: Final = ("scope", "issuer", "expires_on", "proof")
_BLANK_CLAIMS: Final = 2
_SAVED_BY_SCRIPT: Final = "x-autosave"

MISSING_AT: Final[Mapping[str, Step]] = {
    "headline": "profile",
    "bio": "profile",
    "tags": "profile",
    "statement": "statement",
    "claims": "credentials",
    "regulated_document": "credentials",
    "identity_document": "documents",
    "content_sample": "documents",
}
"""On which step something that is missing can be added."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """What the form of a step holds, for the model that checks it and for showing it again."""

    given: dict[str, Any]
    shown: dict[str, Any]


def _of_profile(values: Mapping[str, Any]) -> _Typed:
    shown = {name: values.get(name, "") for name in ("headline", "bio", "tags", "links")}
    tags = [tag.strip() for tag in shown["tags"].replace("，", ",").replace("、", ",").split(",")]
    links = [link.strip() for link in shown["links"].splitlines()]
    return _Typed(
        {
            "headline": shown["headline"],
            "bio": shown["bio"],
            "tags": [tag for tag in tags if tag],
            "links": [link for link in links if link],
        },
        shown,
    )


def _of_statement(values: Mapping[str, Any]) -> _Typed:
    shown = {"statement": values.get("statement", "")}
    return _Typed(dict(shown), shown)


def _of_credentials(values: Mapping[str, Any]) -> _Typed:
    """Rows of fields with the same names; ``proof`` holds ``row:document`` for each box that is ticked."""
    rows: list[dict[str, Any]] = []
    columns = (values.get("scope", []), values.get("issuer", []), values.get("expires_on", []))
    for index, (scope, issuer, expires_on) in enumerate(zip_longest(*columns, fillvalue="")):
        mark = f"{index}:"
        proofs = [proof.removeprefix(mark) for proof in values.get("proof", []) if proof.startswith(mark)]
        rows.append(
            {"scope": scope, "issuer": issuer, "expires_on": expires_on or None, "document_ids": proofs}
        )
    filled = [row for row in rows if row["scope"].strip() or row["issuer"].strip()]
    return _Typed({"claims": filled}, {"claims": filled})


_READERS: Final = {"profile": _of_profile, "statement": _of_statement, "credentials": _of_credentials}


def _values(whole: ApplicationOut) -> dict[str, Any]:
    return {
        "headline": whole.headline,
        "bio": whole.bio,
        "statement": whole.statement,
        "tags": ", ".join(whole.tags),
        "links": "\n".join(whole.links),
        "claims": [claim.model_dump(mode="json") for claim in whole.claims],
    }


async def _whole(parts: Parts, application_id: str, actor: Actor) -> ApplicationOut:
    return await parts.db.read(lambda conn: reading.whole(conn, application_id, actor))


@router.get("/edit/{step}")
async def show(
    request: Request, actor: Owner, application_id: ObjectId, step: Step, parts: PartsDep
) -> Response:
    """Show one step, as far as it is filled in."""
    whole = await _whole(parts, application_id, actor)
    if not whole.editable:
        return seen(f"/applications/{application_id}")
    return await _step(request, actor, whole, step, Form(_values(whole)))


async def _step(
    request: Request, actor: Actor, whole: ApplicationOut, step: Step, form: Form, status: int = 200
) -> Response:
    place = STEPS.index(step)
    return page(
        request,
        f"wizard_{step}",
        actor,
        status=status,
        a=whole,
        asked=await _asked(request, actor, whole),
        step=step,
        steps=STEPS,
        before=STEPS[place - 1] if place else None,
        form=form,
        missing_at=MISSING_AT,
        blank_claims=range(_BLANK_CLAIMS),
        once=new_id(),
    )


async def _asked(request: Request, actor: Actor, whole: ApplicationOut) -> EntryOut | None:
    """Return what a reviewer asked for, so that it stands beside the form that answers it."""
    if whole.stage is not Stage.CHANGES_REQUESTED:
        return None
    entries = await parts_of(request).db.read(lambda conn: reading.timeline(conn, whole.id, actor))
    return asked(whole, entries)


@router.post("/edit/{step}", openapi_extra=exempt("the version: what is stale is not saved"))
async def save(
    request: Request, actor: Owner, application_id: ObjectId, step: Step, parts: PartsDep
) -> Response:
    """Save one step; go on to the next, or stay. A script that saves while typing gets no page back."""
    values = await typed(request, _LISTS if step == "credentials" else ())
    if step not in _READERS:
        raise Problem("not_found")
    read = _READERS[step](values)
    given, form = checked(ApplicationIn, read.given, actor.locale)
    version = _version(values)
    if given is not None:
        try:
            version = await _change(parts, actor, application_id, _versions(request, version), given)
        except Problem as problem:
            form = told(problem, {}, actor.locale)
        else:
            return _saved(request, application_id, step, version, onward="go" in values)
    if _SAVED_BY_SCRIPT in request.headers:
        return _unsaved(form)
    whole = await _whole(parts, application_id, actor)
    again = Form({**_values(whole), **read.shown}, form.errors, form.error)
    return await _step(request, actor, whole, step, again, 422)


def _versions(request: Request, version: int) -> list[int]:
    """Return the versions that a save may follow.

    The last words of somebody who leaves overtake, or follow, the save that was still under way.
    """
    leaving = request.headers.get(_SAVED_BY_SCRIPT) == "leaving"
    return [version, version + 1] if leaving else [version]


async def _change(
    parts: Parts, actor: Actor, application_id: str, versions: list[int], given: ApplicationIn
) -> int:
    """Change the application if it is at one of ``versions``; return its new one. Raises ``Problem``."""

    async def at(version: int) -> int:
        return await parts.db.write(lambda conn: drafts.change(conn, actor, application_id, version, given))

    for version in versions[:-1]:
        with suppress(Problem):
            return await at(version)
    return await at(versions[-1])


def _unsaved(form: Form) -> Response:
    """Return why a save by script was refused, in a sentence."""
    why = form.error or next(iter(form.errors.values()), "")
    return PlainTextResponse(why, 409 if form.error else 422)


def _version(values: Mapping[str, Any]) -> int:
    text = str(values.get("edit_version", ""))[:9]
    return int(text) if text.isascii() and text.isdigit() else 0


def _saved(request: Request, application_id: str, step: Step, version: int, *, onward: bool) -> Response:
    if _SAVED_BY_SCRIPT in request.headers:
        return Response(status_code=204, headers={"X-Edit-Version": str(version)})
    target = STEPS[STEPS.index(step) + 1] if onward else step
    return seen(f"/applications/{application_id}/edit/{target}", "saved")


@router.post(
    "/documents",
    openapi_extra=body_up_to(MAX_UPLOAD) | exempt("the same file is kept once"),
)
async def upload(request: Request, actor: Owner, application_id: ObjectId, parts: PartsDep) -> Response:
    """Take in a document."""
    try:
        await parts.documents.add(application_id, request, actor.locale)
    except Problem as problem:
        whole = await _whole(parts, application_id, actor)
        form = told(problem, _values(whole), actor.locale)
        return await _step(request, actor, whole, "documents", form, problem.status)
    return seen(f"/applications/{application_id}/edit/documents", "uploaded")


@router.post("/documents/{document_id}/remove", openapi_extra=exempt("deleting twice deletes once"))
async def remove(actor: Owner, application_id: ObjectId, document_id: ObjectId, parts: PartsDep) -> Response:
    """Take a document back."""
    await parts.documents.remove(application_id, document_id)
    return seen(f"/applications/{application_id}/edit/documents", "removed")


@router.get("/documents/{document_id}", response_class=FileResponse)
async def document(
    actor: Reader, application_id: ObjectId, document_id: ObjectId, parts: PartsDep
) -> FileResponse:
    """Return the file, to be saved; pictures can also be shown in a page."""
    return await file_of(parts, application_id, document_id)


@router.post("/submit", openapi_extra=exempt("sent twice it starts once"))
async def submit(request: Request, actor: Owner, application_id: ObjectId, parts: PartsDep) -> Response:
    """Hand the application in, or in again after changes."""
    values = await typed(request)
    version = _version(values)
    whole = await _whole(parts, application_id, actor)
    vetting = vetting_of(parts)
    try:
        if whole.stage is Stage.CHANGES_REQUESTED:
            await vetting.resubmit(actor, application_id, version, once_of(values))
        else:
            await vetting.submit(actor, application_id, version)
    except Problem as problem:
        whole = await _whole(parts, application_id, actor)
        form = told(problem, _values(whole), actor.locale)
        return await _step(request, actor, whole, "check", form, problem.status)
    return seen(f"/applications/{application_id}", "submitted")
