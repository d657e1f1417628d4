"""Rehearsals of campaigns: asking for one, how far it has come, its forecast, calling it off."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId, PartsDep
from api.idempotency import Answer, OnceDep
from api.pagination import Page, Paging, PagingDep
from api.parts import Parts
from api.paths import PREFIX
from api.routes.campaigns import LeaderOrStaff
from api.schemas.applications import NoBody
from api.schemas.rehearsals import RehearsalOut, RehearsalSummary, RehearseIn
from api.security import allow
from api.security.gate import Actor
from api.services import rehearsal_views
from api.services.campaigns import MANAGERS
from api.services.rehearsals import RehearsalService
from db.repositories import rehearsals

router = APIRouter(prefix=PREFIX, tags=["rehearsals"])

Rehearsing = Annotated[Actor, allow.owner_or(*MANAGERS, owner=rehearsals.leader_of, parameter="rehearsal_id")]


def service_of(parts: Parts) -> RehearsalService:
    """Return the service that asks for rehearsals."""
    return RehearsalService(parts.db, parts.temporal, parts.settings)


async def _service(parts: PartsDep) -> RehearsalService:
    return service_of(parts)


Rehearsals = Annotated[RehearsalService, Depends(_service)]


@router.post(
    "/campaigns/{campaign_id}/rehearse",
    summary="Rehearse a campaign",
    status_code=202,
    response_model=RehearsalOut,
)
async def rehearse(
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    once: OnceDep,
    service: Rehearsals,
    db: DatabaseDep,
    given: RehearseIn | None = None,
) -> Response:
    """Have the plan carried out with simulated members in skipped time. Nothing of it is real.

    One at a time for a campaign that is not approved yet. A plan that could not be handed in is refused
    with the same code.
    """

    async def effect(update_id: str) -> Answer:
        asked = await service.ask(actor, campaign_id, given or RehearseIn(), update_id)
        out = await db.read(lambda conn: rehearsal_views.whole(conn, asked, actor.locale))
        return Answer(202, out, {"Location": f"{PREFIX}/rehearsals/{asked}"})

    return await once.call(actor.person_id, effect)


def listed_page(
    conn: Connection, campaign_id: str, paging: Paging, locale: str
) -> tuple[list[RehearsalSummary], str | None]:
    """Return a page of a campaign's rehearsals, newest first, and the cursor of the next."""
    before = datetime.fromisoformat(str(paging.after[0])) if paging.after else None
    rows = rehearsals.listed(conn, campaign_id, before=before, limit=paging.fetch)
    shown, cursor = paging.cut(rows, lambda row: [row.asked_at.isoformat()])
    return [rehearsal_views.summary(row, locale) for row in shown], cursor


@router.get("/campaigns/{campaign_id}/rehearsals", summary="The rehearsals of a campaign")
async def listed(
    actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep, paging: PagingDep
) -> Page[RehearsalSummary]:
    """Return the rehearsals of the last thirty days, newest first."""

    def read(conn: Connection) -> Any:
        return listed_page(conn, campaign_id, paging, actor.locale)

    shown, cursor = await db.read(read)
    return Page(items=shown, next_cursor=cursor)


@router.get("/rehearsals/{rehearsal_id}", summary="A rehearsal and its forecast")
async def show(actor: Rehearsing, rehearsal_id: ObjectId, db: DatabaseDep) -> RehearsalOut:
    """Return how far a rehearsal has come, and the forecast once it is done."""
    return await db.read(lambda conn: rehearsal_views.whole(conn, rehearsal_id, actor.locale))


@router.post("/rehearsals/{rehearsal_id}/cancel", summary="Call a rehearsal off", response_model=RehearsalOut)
async def cancel(
    actor: Rehearsing,
    rehearsal_id: ObjectId,
    once: OnceDep,
    service: Rehearsals,
    db: DatabaseDep,
    given: NoBody = None,
) -> Response:
    """End a rehearsal that is queued or running; it leaves no forecast."""

    async def effect(_: str) -> Answer:
        await service.cancel(rehearsal_id)
        return Answer(
            200, await db.read(lambda conn: rehearsal_views.whole(conn, rehearsal_id, actor.locale))
        )

    return await once.call(actor.person_id, effect)
