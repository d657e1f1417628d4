"""For trying Kameng out: read the outbox, move a process's clock, sign in as anybody.

These routes are not there at all in production, and answer this machine only.
"""

import asyncio
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import DatabaseDep, PartsDep, SettingsDep
from api.envelope import locale_of
from api.idempotency import exempt
from api.inputs import Email, Input
from api.paths import PREFIX
from api.problems import Problem, field_problem
from api.routes.auth import SignedIn, signed_in
from api.security import allow
from api.services import clocks
from db.repositories import mail_events, people
from domain.dates import Instant
from domain.people import PersonStatus, Role
from locales import translate
from mail.config import MailConfig
from mail.factory import build_renderer
from mail.outbox import OutboxMail, render_page
from mail.rendering import Renderer
from settings import Settings

outbox_router = APIRouter(prefix=f"{PREFIX}/dev", tags=["trying it out"], dependencies=[allow.this_machine])
clock_router = APIRouter(prefix=f"{PREFIX}/dev", tags=["trying it out"], dependencies=[allow.this_machine])

LONGEST: Final = timedelta(days=400)
_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?"
)


def _duration(text: str) -> str:
    if _parsed(text) is None:
        raise PydanticCustomError("duration", "must be a duration such as P1D, PT12H or P2W, up to 400 days")
    return text


def _parsed(text: str) -> timedelta | None:
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    length = timedelta(**{unit: int(number) for unit, number in found.groupdict().items() if number})
    return length if timedelta(0) < length <= LONGEST else None


class OutboxItem(BaseModel):
    """A mail as its reader sees it; ``links`` are those in it, the button's first."""

    id: str
    to: str
    template: str
    locale: str
    status: str
    created_at: datetime
    subject: str
    text: str
    html: str
    links: list[str]


class Outbox(BaseModel):
    """The latest mails, newest first."""

    items: list[OutboxItem]


_PROCESS: Final = r"^(application|campaign)/[0-9a-f-]{36}$"


class Advance(Input):
    """Which process, and how far, at most 400 days.

    Either by ``duration``, an ISO 8601 duration of weeks, days and times, or to the instant ``until``,
    which may be asked for again where the clock did not arrive.
    """

    process: Annotated[str, Field(max_length=48, pattern=_PROCESS)]
    duration: Annotated[str, Field(max_length=40), AfterValidator(_duration)] | None = None
    until: Instant | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Advance":
        if (self.duration is None) == (self.until is None):
            raise PydanticCustomError("clock_target", "needs either a duration or an instant (until)")
        return self


class Clock(BaseModel):
    """What time it is now in the process."""

    now: datetime


class DevPerson(BaseModel):
    """Somebody to sign in as."""

    id: str
    email: str
    display_name: str
    locale: str
    roles: list[Role]


class DevPeople(BaseModel):
    """Everybody with a role beyond member, then some members."""

    items: list[DevPerson]


class DevSession(Input):
    """Whom to be."""

    email: Email


@lru_cache(maxsize=4)
def renderer_of(settings: Settings) -> Renderer:
    """Return what renders mails for the outbox."""
    return build_renderer(MailConfig.model_validate(settings, from_attributes=True))


@outbox_router.get("/outbox", summary="Read the outbox")
async def outbox(
    db: DatabaseDep,
    settings: SettingsDep,
    to: Annotated[str | None, Query(max_length=320, pattern=r"^[^\x00]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Outbox:
    """Return the latest mails as they are rendered, newest first, to one address if ``to``."""
    letters = await db.read(lambda conn: mail_events.outbox(conn, to=to, limit=limit))
    mails = await asyncio.to_thread(render_page, renderer_of(settings), letters)
    return Outbox(items=[_item(mail) for mail in mails])


def _item(mail: OutboxMail) -> OutboxItem:
    return OutboxItem(
        id=mail.id,
        to=mail.to,
        template=mail.template,
        locale=mail.locale,
        status=mail.status,
        created_at=mail.created_at,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        links=list(mail.links),
    )


@outbox_router.get("/people", summary="Whom to try it out as")
async def list_people(db: DatabaseDep) -> DevPeople:
    """Return staff and leaders, and some members."""
    rows = await db.read(people.some_to_try)
    return DevPeople(
        items=[
            DevPerson(
                id=person.id,
                email=person.email,
                display_name=person.display_name,
                locale=person.locale,
                roles=sorted(roles),
            )
            for person, roles in rows
        ]
    )


@outbox_router.post(
    "/sessions",
    status_code=201,
    summary="Sign in as anybody",
    response_model=SignedIn,
    openapi_extra=exempt("a repetition opens another session"),
)
async def be(body: DevSession, parts: PartsDep) -> Response:
    """Open a session for a known address in one call, without a mail."""
    person = await parts.db.read(lambda conn: people.get_by_email(conn, body.email))
    if person is None or person.status is not PersonStatus.ACTIVE:
        raise Problem("person_unknown")
    return await signed_in(parts, await parts.sign_in.open_for(person.id))


@clock_router.get("/clock", summary="Read a process's time")
async def read_clock(
    process: Annotated[str, Query(max_length=48, pattern=_PROCESS)], parts: PartsDep
) -> Clock:
    """Return what time it is now in one process."""
    return Clock(now=await clocks.now_of(parts, process))


@clock_router.post(
    "/clock/advance",
    summary="Skip a process's time",
    openapi_extra=exempt("a repetition moves the clock again, or none where it has arrived"),
)
async def advance(request: Request, body: Advance, parts: PartsDep) -> Clock:
    """Move one process's clock; the timers on the way fire one by one. Returns its new time."""
    now = await clocks.now_of(parts, body.process)
    length = _parsed(body.duration) if body.duration else None
    until = now + length if length else body.until
    assert until is not None
    if until - now > LONGEST:
        text = translate(locale_of(request.scope), "field.clock_too_far")
        raise field_problem("until", "clock_too_far", text)
    return Clock(now=await clocks.advance_to(parts, body.process, until))
