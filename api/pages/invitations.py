"""The landing page of an invitation, for people who are not signed in yet, and its QR code."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from sqlalchemy import Connection, Row
from starlette.requests import Request
from starlette.responses import Response

from api.conditional import unless_known
from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.campaigns import hour_of, welcomed
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.link_previews import description_of
from api.pages.pictures import Drawings
from api.pages.pictures.poster import SIZE, Poster, draw
from api.pages.pictures.qr import svg
from api.pages.rendering import Reader, page, reader_of
from api.pages.visitors import visitor
from api.parts import Parts
from api.problems import Problem
from api.schemas.enrolments import EnrolIn
from api.security import allow
from api.security.gate import Actor
from api.services import enrolments
from api.services.campaign_views import dates_of
from api.services.campaigns import existing
from api.services.invitation_clicks import click_added, cookie_name, count_try, followed
from api.services.reminder_hours import reminder_hours
from db.repositories import enrolments as entries
from db.repositories import invitation_codes, invitation_mails
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.terms import Status, joining
from domain.people import Role

router = APIRouter(dependencies=[allow.anyone])

Code = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
_DAY = 24 * 3600
_PICTURE: Final = {"X-Robots-Tag": "noindex"}
_posters: Final = Drawings()


async def _invitation(request: Request, parts: Parts, code: str) -> Row[Any]:
    """Return what a code leads to. Raises ``Problem``, the same for every code by which nobody can join."""
    now = datetime.now(UTC)
    found = await parts.db.read(lambda conn: invitation_codes.by_code(conn, code, now))
    if found is None:
        await count_try(request)
        raise Problem("invitation_unknown")
    return found


@router.get("/i/{code}")
async def show(request: Request, parts: PartsDep, code: Code) -> Response:
    """Say who invites to what, and remember in this browser that the invitation was followed."""
    actor = await visitor(request)
    if actor is not None:
        joined = await parts.db.read(
            lambda conn: invitation_mails.joined_campaign(conn, code, actor.person_id)
        )
        if joined is not None:
            return seen(f"/campaigns/{joined}/me")
    found = await _invitation(request, parts, code)
    own = actor is not None and actor.person_id == found.inviter_id
    if not own and found.opened_at is None:
        now = datetime.now(UTC)
        await parts.db.write(lambda conn: invitation_codes.opened(conn, found.id, now))
    response = await _page(request, parts, actor, found)
    if not own:
        kept = click_added(request, found.id, signed_in=actor is not None)
        days = CampaignPlan.model_validate(found.plan).invitations.attribution_days
        parts.cookies.set(response, cookie_name(request), kept, days * _DAY)
    return response


async def _page(
    request: Request,
    parts: Parts,
    actor: Actor | None,
    found: Row[Any],
    form: Form | None = None,
    status: int = 200,
) -> Response:
    place: Row[Any] | None = None
    hours: list[int] = []
    plan = CampaignPlan.model_validate(found.plan)
    if actor is not None:
        place, hours = await parts.db.read(lambda conn: _place(conn, found.campaign_id, actor.person_id))
    url, when = f"{parts.settings.public_url}/i/{found.code}", _when(reader_of(request, actor), found)
    return page(
        request,
        "invitations/landing",
        actor,
        status=status,
        headers={"X-Robots-Tag": "noindex"},
        invitation=found,
        when=when,
        url=url,
        preview=f"{url}/poster.png",
        size=SIZE,
        description=description_of(found.summary) or when,
        place=place.status if place is not None else None,
        own=actor is not None and actor.person_id == found.inviter_id,
        hours=hours,
        joining=joining(Status(found.campaign_status), found.campaign_day, found.seats_taken, plan),
        form=form,
    )


def _place(conn: Connection, campaign_id: str, person_id: str) -> tuple[Row[Any] | None, list[int]]:
    """Return the person's place in the campaign, and the hours at which its members can be reminded."""
    return entries.get(conn, campaign_id, person_id), reminder_hours(conn, existing(conn, campaign_id))


@router.post("/i/{code}", openapi_extra=exempt("who takes part already stays so"))
async def join(request: Request, parts: PartsDep, code: Code) -> Response:
    """Enrol by this invitation; who is not signed in is asked to do that on the page."""
    actor, found = await visitor(request), await _invitation(request, parts, code)
    if actor is None:
        return seen(f"/i/{code}")
    actor.require(Role.MEMBER)
    values = await typed(request)
    body = {"invite_code": code, "reminder_hour": hour_of(values)}
    given, form = checked(EnrolIn, body, reader_of(request, actor).locale)
    if given is None:
        return await _page(request, parts, actor, found, Form(values, form.errors), 422)
    shown, person_id = followed(request), actor.person_id
    try:
        place, _ = await parts.db.write(
            lambda conn: enrolments.enrol(conn, found.campaign_id, person_id, given, datetime.now(UTC), shown)
        )
    except Problem as problem:
        form = told(problem, values, reader_of(request, actor).locale)
        return await _page(request, parts, actor, found, form, problem.status)
    return welcomed(found.campaign_id, place)


@router.get("/i/{code}/qr.svg")
async def qr(request: Request, parts: PartsDep, code: Code) -> Response:
    """Return the link of an invitation as a QR code, black on white with a quiet margin."""
    await _invitation(request, parts, code)
    picture = svg(f"{parts.settings.public_url}/i/{code}")
    return unless_known(request, picture, "image/svg+xml", _PICTURE)


@router.get("/i/{code}/poster.png", response_class=Response)
async def poster(request: Request, parts: PartsDep, code: Code) -> Response:
    """Return the share poster of an invitation, in the language of the campaign."""
    found = await _invitation(request, parts, code)
    shown = _poster_of(found, f"{parts.settings.public_url}/i/{code}")
    drawn = await _posters.png(shown, lambda: draw(shown))
    headers = _PICTURE | {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return unless_known(request, drawn, "image/png", headers)


def _when(words: Reader, found: Row[Any]) -> str:
    """Return how long the campaign is and from when until when, or from when on as long as that is all."""
    plan, dates = CampaignPlan.model_validate(found.plan), dates_of(found)
    first, last = dates["first_date"] or plan.starts_on, dates["last_date"]
    days = words.t("page.campaign.days", count=found.length_days or plan.length_days)
    if last is None:
        return words.t("page.poster.when", days=days, date=words.day(first))
    return words.t("page.poster.span", days=days, span=words.days(first, last))


def _poster_of(found: Row[Any], url: str) -> Poster:
    words = Reader.of_text(found.title, found.summary)
    return Poster(
        invites=words.t("page.invitation.title", name=found.inviter_name),
        title=found.title,
        summary=found.summary,
        when=_when(words, found),
        led_by=words.t("page.campaign.led_by", name=found.leader_name),
        scan=words.t("page.poster.scan"),
        keeps=words.t("page.poster.keeps"),
        brand=words.t("page.name"),
        url=url,
    )
