"""The applicant's pages: the list, where an application stands, and what can be done about it."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages import probation_plots, stages
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pagination import PagingDep
from api.parts import Parts
from api.problems import Problem
from api.schemas.applications import AppealIn, ApplicationIn, ApplicationOut, EntryOut
from api.security import allow
from api.security.gate import Actor
from api.services import applications as reading
from api.services import drafts
from api.services.vetting import VettingService
from db.repositories import applications
from domain.ids import new_id
from domain.vetting import Stage, Status

router = APIRouter(prefix="/applications")

Owner = Annotated[Actor, allow.owner_or(owner=applications.owner_of, parameter="application_id")]
Once = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
_ONCE: TypeAdapter[str] = TypeAdapter(Once)


def vetting_of(parts: Parts) -> VettingService:
    """Return the service that asks the processes."""
    return VettingService(parts.db, parts.temporal, parts.settings)


def once_of(values: dict[str, Any]) -> str:
    """Return the update id that a form carries, so that pressing its button twice acts once."""
    try:
        return _ONCE.validate_python(values.get("once", ""))
    except ValidationError:
        return new_id()


@router.get("")
async def listed(
    request: Request, actor: Annotated[Actor, allow.signed_in], parts: PartsDep, paging: PagingDep
) -> Response:
    """Show my applications, newest first."""
    before = str(paging.after[0]) if paging.after else None
    rows = await parts.db.read(
        lambda conn: applications.page(
            conn, person_id=actor.person_id, status=None, before=before, limit=paging.fetch
        )
    )
    shown, cursor = paging.cut(rows, lambda row: [row.id])
    mine = [reading.summary(row) for row in shown]
    return page(request, "applications", actor, applications=mine, cursor=cursor)


@router.get("/new")
async def ask_new(request: Request, actor: Annotated[Actor, allow.members]) -> Response:
    """Explain what will be asked, before anything is begun."""
    return page(request, "application_new", actor, form=Form())


@router.post("/new", openapi_extra=exempt("a person has one application under way"))
async def new(request: Request, actor: Annotated[Actor, allow.members], parts: PartsDep) -> Response:
    """Begin a draft, or go on with the one that is under way."""
    try:
        application_id = await parts.db.write(lambda conn: drafts.create(conn, actor, ApplicationIn()))
    except Problem as problem:
        under_way = problem.values.get("application_id")
        if under_way:
            return seen(f"/applications/{under_way}")
        form = told(problem, {}, actor.locale)
        return page(request, "application_new", actor, status=problem.status, form=form)
    return seen(f"/applications/{application_id}/edit/profile")


@router.get("/{application_id}")
async def show(request: Request, actor: Owner, application_id: ObjectId, parts: PartsDep) -> Response:
    """Show where my application stands; a draft is gone on with."""
    whole, entries = await parts.db.read(lambda conn: _read(conn, application_id, actor))
    if whole.status is Status.DRAFT:
        return seen(f"/applications/{application_id}/edit/profile")
    return _status_page(request, actor, whole, entries, Form())


def _read(conn: Connection, application_id: str, actor: Actor) -> tuple[ApplicationOut, list[EntryOut]]:
    return (
        reading.whole(conn, application_id, actor),
        reading.timeline(conn, application_id, actor),
    )


def _status_page(
    request: Request, actor: Actor, whole: ApplicationOut, entries: list[EntryOut], form: Form
) -> Response:
    return page(
        request,
        "application",
        actor,
        status=422 if form.failed else 200,
        a=whole,
        entries=entries,
        asked=asked(whole, entries),
        line=stages.line(whole),
        plots=probation_plots.plots(whole),
        form=form,
        once=new_id(),
    )


def asked(whole: ApplicationOut, entries: list[EntryOut]) -> EntryOut | None:
    """Return the entry that says what is to be changed, while that is so."""
    if whole.stage is not Stage.CHANGES_REQUESTED:
        return None
    return next((entry for entry in reversed(entries) if entry.code == "review_request_changes"), None)


@router.post("/{application_id}/withdraw", openapi_extra=exempt("it stays withdrawn"))
async def withdraw(request: Request, actor: Owner, application_id: ObjectId, parts: PartsDep) -> Response:
    """Withdraw the application, or an appeal that is being decided."""
    values = await typed(request)
    try:
        await vetting_of(parts).withdraw(actor, application_id, once_of(values))
    except Problem as problem:
        return await _again(request, actor, application_id, parts, told(problem, values, actor.locale))
    return seen("/applications", "withdrawn")


@router.post("/{application_id}/appeal", openapi_extra=exempt("the hidden field: one appeal"))
async def appeal(request: Request, actor: Owner, application_id: ObjectId, parts: PartsDep) -> Response:
    """Appeal against a rejection or a failed probation."""
    values = await typed(request)
    given, form = checked(AppealIn, {"reason": values.get("reason", "")}, actor.locale)
    if given is not None:
        try:
            await vetting_of(parts).appeal(actor, application_id, given.reason, once_of(values))
        except Problem as problem:
            form = told(problem, values, actor.locale)
        else:
            return seen(f"/applications/{application_id}", "appealed")
    return await _again(request, actor, application_id, parts, form)


async def _again(request: Request, actor: Actor, application_id: str, parts: Parts, form: Form) -> Response:
    whole, entries = await parts.db.read(lambda conn: _read(conn, application_id, actor))
    return _status_page(request, actor, whole, entries, form)
