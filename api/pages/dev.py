"""Pages for trying Kameng out: be anybody, read the outbox, move a process's clock. Not in production."""

import asyncio
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.forms import local, seen, typed
from api.pages.rendering import page
from api.pages.sign_in import signed_in
from api.pages.visitors import visitor
from api.problems import Problem
from api.routes.dev import renderer_of
from api.security import allow
from api.services import clocks
from api.services.vetting import process_now
from contracts.base import application_process_id
from db.repositories import applications, mail_events, people
from domain.people import PersonStatus
from mail.outbox import render_page

router = APIRouter(dependencies=[allow.this_machine])

_MAILS: Final = 40
_STEPS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_PAST_IT: Final = timedelta(seconds=2)

# The one page whose styles stand in it, because mails are written so: alone in a frame without rights.
_LETTER_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)


@router.get("/dev")
async def people_to_be(request: Request, parts: PartsDep) -> Response:
    """Show whom to try Kameng out as."""
    known = await parts.db.read(people.some_to_try)
    return page(request, "dev", await visitor(request), people=known)


@router.post("/dev/sign-in", openapi_extra=exempt("a repetition opens another session"))
async def be(request: Request, parts: PartsDep) -> Response:
    """Sign in as anybody in one step."""
    values = await typed(request)
    person = await parts.db.read(lambda conn: people.get_by_email(conn, values.get("email", "")))
    if person is None or person.status is not PersonStatus.ACTIVE:
        raise Problem("person_unknown")
    opened = await parts.sign_in.open_for(person.id)
    return signed_in(parts, opened.secret, local(values.get("next")))


@router.get("/outbox")
async def outbox(request: Request, parts: PartsDep, to: str = "") -> Response:
    """Show the latest mails, newest first."""
    letters = await parts.db.read(lambda conn: mail_events.outbox(conn, to=to[:320] or None, limit=_MAILS))
    mails = await asyncio.to_thread(render_page, renderer_of(parts.settings), letters)
    return page(request, "outbox", await visitor(request), mails=mails, to=to)


@router.get("/outbox/{mail_id}")
async def letter(mail_id: ObjectId, parts: PartsDep) -> Response:
    """Show one mail as a mail program does, without scripts, links or anything from elsewhere."""
    found = await parts.db.read(lambda conn: mail_events.letter(conn, mail_id))
    if found is None:
        raise Problem("not_found")
    (mail,) = await asyncio.to_thread(render_page, renderer_of(parts.settings), [found])
    headers = {"Content-Security-Policy": _LETTER_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(mail.html, headers=headers)


@router.post("/dev/clock", openapi_extra=exempt("a repetition moves the clock again"))
async def skip(request: Request, parts: PartsDep) -> Response:
    """Move an application's clock by an hour, a day, a week, or to just after its next deadline."""
    values = await typed(request)
    application_id = values.get("application_id", "")[:36]
    row = await parts.db.read(lambda conn: applications.get(conn, application_id))
    if row is None:
        raise Problem("not_found")
    length = _STEPS.get(values.get("step", ""))
    if length is None:
        ahead = (row.next_deadline or process_now(row)) - process_now(row)
        length = max(ahead, timedelta(0)) + _PAST_IT
    await clocks.advance(parts, application_process_id(application_id), length)
    return seen(local(values.get("back"), f"/applications/{application_id}"), "clock_moved")
