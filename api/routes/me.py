"""The signed-in person's own record."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep
from api.idempotency import Answer, OnceDep
from api.inputs import Input, OneLine, TimeZone
from api.paths import PREFIX
from api.schemas.enrolments import MyCampaignsOut
from api.security import allow
from api.security.gate import Actor
from api.services.my_campaigns import mine
from db.repositories import access
from domain.people import Role

router = APIRouter(prefix=f"{PREFIX}/me", tags=["me"])


class SecondFactorState(BaseModel):
    """Whether a second factor is set up, and since when this session or token has passed it."""

    enrolled: bool
    passed_at: datetime | None


class Me(BaseModel):
    """The person who asks. ``roles`` are held; those in ``usable_roles`` can be acted in now."""

    id: str
    email: str
    display_name: str
    locale: str
    time_zone: str
    list_mail: bool
    roles: list[Role]
    usable_roles: list[Role]
    second_factor: SecondFactorState
    csrf_token: str | None = Field(description="Null for a token, which needs none.")


class MeChanges(Input):
    """What a person can change; what is not named stays."""

    display_name: Annotated[OneLine, Field(min_length=1, max_length=120)] | None = None
    locale: Literal["zh-CN", "en"] | None = None
    time_zone: TimeZone | None = None
    list_mail: bool | None = None


def me_of(actor: Actor) -> Me:
    """Return what ``actor`` is told of themself."""
    return Me(
        id=actor.person_id,
        email=actor.email,
        display_name=actor.display_name,
        locale=actor.locale,
        time_zone=actor.time_zone,
        list_mail=actor.list_mail,
        roles=sorted(actor.held_roles),
        usable_roles=sorted(actor.roles),
        second_factor=SecondFactorState(
            enrolled=actor.second_factor_enrolled, passed_at=actor.second_factor_at
        ),
        csrf_token=actor.csrf_token,
    )


@router.get("", summary="Who am I")
async def show(actor: Annotated[Actor, allow.signed_in]) -> Me:
    """Return the signed-in person."""
    return me_of(actor)


@router.get("/enrolments", summary="The campaigns that I take part in")
async def enrolled(actor: Annotated[Actor, allow.signed_in], db: DatabaseDep) -> MyCampaignsOut:
    """Return those that are not over, and what is to be done next in each."""
    return await db.read(lambda conn: mine(conn, actor.person_id))


@router.patch("", summary="Change my record", response_model=Me)
async def change(actor: Annotated[Actor, allow.signed_in], changes: MeChanges, once: OnceDep) -> Response:
    """Change what is named and return the whole record."""
    values = changes.model_dump(exclude_none=True)

    def effect(conn: Connection) -> Answer:
        access.change_person(conn, actor.person_id, values)
        return Answer(200, me_of(replace(actor, **values)))

    return await once.write(actor.person_id, effect)
