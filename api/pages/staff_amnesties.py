"""Declaring an amnesty by form: the span of days that an outage spoilt."""

from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.inputs import Input
from api.pages.applications import once_of
from api.pages.campaigns_steering import service_of
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.staff_campaigns import shown
from api.problems import Problem
from api.routes.campaigns import Manager
from api.schemas.amnesties import DayNumber
from api.schemas.campaigns import Note
from api.services import amnesties

router = APIRouter(prefix="/staff/campaigns")
LONGEST = 31


class OutageIn(Input):
    """The first and the last day that an outage spoilt, and what happened."""

    first_day: DayNumber
    last_day: DayNumber
    outage: Annotated[Note, Field()]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.first_day <= self.last_day < self.first_day + LONGEST:
            raise PydanticCustomError("span", "must end on or after its first day, within 31 days")
        return self


@router.post("/{campaign_id}/amnesties", openapi_extra=exempt("the hidden field: one amnesty"))
async def declare(request: Request, actor: Manager, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Let everybody rest on the days of an outage; those that ask nothing anyway are left out."""
    values = await typed(request) | {"form": "amnesty"}
    body: dict[str, Any] = {name: values.get(name, "") for name in OutageIn.model_fields}
    given, form = checked(OutageIn, body, actor.locale)
    if given is None:
        errors = {("last_day" if name == "body" else name): text for name, text in form.errors.items()}
        return await shown(request, actor, campaign_id, parts, Form(values, errors), 422)
    span = list(range(given.first_day, given.last_day + 1))
    days = await parts.db.read(lambda conn: amnesties.asking(conn, campaign_id, span))
    try:
        await service_of(parts).amnesty(actor, campaign_id, days or span, given.outage, once_of(values))
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, values, actor.locale)
        return await shown(request, actor, campaign_id, parts, form, problem.status)
    return seen(f"/staff/campaigns/{campaign_id}", "campaign_amnesty")
