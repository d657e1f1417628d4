"""Rehearsals in the studio: asking for one, watching it, the forecast."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages import rehearsal_plots
from api.pages.applications import once_of
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pages.watching import watched
from api.pagination import Paging, PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.campaigns import LeaderOrStaff
from api.routes.rehearsals import Rehearsing, listed_page, service_of
from api.schemas.rehearsals import DEFAULT_PARTICIPANTS, RehearseIn
from api.security.credentials import credentials_of
from api.security.gate import Actor, Credentials
from api.services import rehearsal_views
from api.services.campaigns import existing
from api.services.rehearsals import REHEARSABLE
from contracts.rehearsals import ACTIVE
from db.repositories import rehearsals
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rehearsal import FEWEST, MOST, Temperament
from domain.campaigns.rewards import liability
from domain.campaigns.terms import Status
from domain.ids import new_id

router = APIRouter(prefix="/studio")

_FIELDS: Final = ("participants", "temperament", "seed")


@router.get("/campaigns/{campaign_id}/rehearsals")
async def listed(
    request: Request, actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show what can be rehearsed, and the rehearsals so far."""
    start = {"participants": str(DEFAULT_PARTICIPANTS), "temperament": Temperament.TYPICAL.value, "seed": "1"}
    return await _listed(request, actor, campaign_id, parts, paging, Form(start))


async def _listed(
    request: Request,
    actor: Actor,
    campaign_id: str,
    parts: Parts,
    paging: Paging,
    form: Form,
    status: int = 200,
) -> Response:
    def read(conn: Connection) -> Any:
        return existing(conn, campaign_id), listed_page(conn, campaign_id, paging, actor.locale)

    row, (shown, cursor) = await parts.db.read(read)
    plan = CampaignPlan.model_validate(row.plan)
    return page(
        request,
        "rehearsals",
        actor,
        status=status,
        here=f"/studio/campaigns/{campaign_id}/rehearsals",
        c=row,
        plan=plan,
        liability=liability(plan),
        rehearsable=Status(row.status) in REHEARSABLE,
        own=row.leader_id == actor.person_id,
        shown=shown,
        cursor=cursor,
        form=form,
        temperaments=list(Temperament),
        fewest=FEWEST,
        most=MOST,
        once=new_id(),
    )


@router.post("/campaigns/{campaign_id}/rehearsals", openapi_extra=exempt("the hidden field: one rehearsal"))
async def ask(
    request: Request, actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Have the saved plan rehearsed."""
    values = await typed(request)
    body = {name: values[name] for name in _FIELDS if values.get(name)}
    given, form = checked(RehearseIn, body, actor.locale)
    if given is None:
        return await _listed(request, actor, campaign_id, parts, paging, Form(values, form.errors), 422)
    try:
        asked = await service_of(parts).ask(actor, campaign_id, given, once_of(values))
    except Problem as problem:
        form = told(problem, values, actor.locale)
        return await _listed(request, actor, campaign_id, parts, paging, form, problem.status)
    return seen(f"/studio/rehearsals/{asked}", "rehearsal_begun")


@router.get("/rehearsals/{rehearsal_id}")
async def show(request: Request, actor: Rehearsing, rehearsal_id: ObjectId, parts: PartsDep) -> Response:
    """Show how far a rehearsal has come, or its forecast."""
    return await _show(request, actor, rehearsal_id, parts, Form())


async def _show(
    request: Request, actor: Actor, rehearsal_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    def read(conn: Connection) -> Any:
        out = rehearsal_views.whole(conn, rehearsal_id, actor.locale)
        return out, existing(conn, out.campaign_id)

    found, row = await parts.db.read(read)
    forecast = found.forecast
    return page(
        request,
        "rehearsal",
        actor,
        status=status,
        here=f"/studio/rehearsals/{rehearsal_id}",
        c=row,
        one=found,
        f=forecast,
        active=found.status in ACTIVE,
        plot=rehearsal_plots.participation(forecast, found.plan) if forecast else None,
        days=rehearsal_plots.attendance(forecast) if forecast else [],
        points=rehearsal_plots.points(forecast) if forecast else None,
        growth=rehearsal_plots.growth(forecast) if forecast else None,
        mails=rehearsal_plots.mail_rows(forecast) if forecast else [],
        form=form,
        once=new_id(),
        seconds=_seconds(found.started_at, found.ended_at),
    )


def _seconds(started_at: datetime | None, ended_at: datetime | None) -> int:
    if started_at is None:
        return 0
    return round(((ended_at or datetime.now(UTC)) - started_at).total_seconds())


@router.post(
    "/rehearsals/{rehearsal_id}/cancel", openapi_extra=exempt("once ended, a rehearsal is over for good")
)
async def cancel(request: Request, actor: Rehearsing, rehearsal_id: ObjectId, parts: PartsDep) -> Response:
    """Call a rehearsal off."""
    try:
        await service_of(parts).cancel(rehearsal_id)
    except Problem as problem:
        return await _show(
            request, actor, rehearsal_id, parts, told(problem, {}, actor.locale), problem.status
        )
    return seen(f"/studio/rehearsals/{rehearsal_id}", "rehearsal_cancelled")


@router.get("/rehearsals/{rehearsal_id}/events", response_class=EventSourceResponse)
async def events(
    request: Request, actor: Rehearsing, rehearsal_id: ObjectId, parts: PartsDep
) -> AsyncIterator[ServerSentEvent]:
    """Send ``changed`` whenever the rehearsal has come further, as long as the session holds."""
    credentials = credentials_of(request, parts.cookies)
    changes = watched(
        request,
        lambda: _pulse(parts, credentials, rehearsal_id),
        lambda found: ServerSentEvent(event="changed", data=found[-1]),
    )
    async for change in changes:
        yield change


async def _pulse(parts: Parts, credentials: Credentials, rehearsal_id: str) -> tuple[Any, ...] | None:
    def read(conn: Connection) -> tuple[Any, ...] | None:
        if parts.gate.actor(conn, credentials) is None:
            return None
        return rehearsals.pulse(conn, rehearsal_id)

    return await parts.db.read(read)
