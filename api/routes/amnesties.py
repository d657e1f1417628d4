"""Amnesties: staff declare which days of a campaign an outage spoilt."""

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.idempotency import Answer, OnceDep
from api.paths import PREFIX
from api.routes.campaigns import Campaigns, LeaderOrStaff, Manager
from api.schemas.amnesties import AmnestiesOut, AmnestyIn, AmnestyOut
from api.services import amnesties

router = APIRouter(prefix=f"{PREFIX}/campaigns/{{campaign_id}}/amnesties", tags=["campaigns"])


@router.get("", summary="The amnesties of a campaign")
async def listed(actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep) -> AmnestiesOut:
    """Return which days were given, by whom and why, and how many members each changed."""
    return AmnestiesOut(items=await db.read(lambda conn: amnesties.listed(conn, campaign_id)))


@router.post("", summary="Declare an amnesty", status_code=201, response_model=AmnestyOut)
async def declare(
    actor: Manager,
    campaign_id: ObjectId,
    given: AmnestyIn,
    once: OnceDep,
    service: Campaigns,
    db: DatabaseDep,
) -> Response:
    """Let everybody rest on days that have begun; counters are repaired and members told after that."""

    async def effect(update_id: str) -> Answer:
        await service.amnesty(actor, campaign_id, given.days, given.reason, update_id)
        return Answer(201, await db.read(lambda conn: amnesties.declared(conn, campaign_id, update_id)))

    return await once.call(actor.person_id, effect)
