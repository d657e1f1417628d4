"""Campaigns as members find them: the list, one campaign and its numbers, joining and leaving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.campaigns_plots import plot, resting
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page, reader_of
from api.pages.visitors import visitor
from api.pagination import PagingDep
from api.parts import Parts
from api.problems import Problem
from api.schemas.campaigns import CampaignOut, CampaignSummary, MetricsOut
from api.schemas.enrolments import EnrolIn, EnrolmentOut
from api.security import allow
from api.security.gate import Actor
from api.services import campaign_views, enrolments
from api.services.campaigns import LAUNCHERS
from api.services.invitation_clicks import count_try, followed
from db.repositories import campaigns
from db.repositories import enrolments as places
from domain.campaigns.terms import Status

router = APIRouter(prefix="/campaigns")

Member = Annotated[Actor, allow.members]
GROUPS: Final[Mapping[str, Sequence[Status]]] = {
    "running": (Status.RUNNING, Status.PAUSED),
    "enrolling": (Status.ENROLLING,),
    "scheduled": (Status.SCHEDULED,),
}
PAST: Final = (Status.SETTLING, Status.SETTLED)
_SHOWN: Final = 24
_IN_LINE: Final = "in_line"


def grouped(
    conn: Connection, locale: str, limit: int, names: Sequence[str] = tuple(GROUPS)
) -> dict[str, list[CampaignSummary]]:
    """Return what runs, can be joined and is to come, each as summaries, newest first."""
    return {
        name: campaign_views.listed(conn, campaigns.listed(conn, GROUPS[name], limit=limit), locale)
        for name in names
    }


@router.get("", dependencies=[allow.anyone])
async def listed(request: Request, parts: PartsDep, paging: PagingDep) -> Response:
    """Show campaigns that run, take people in, are to come, and are over."""
    actor = await visitor(request)
    locale = reader_of(request, actor).locale
    before = str(paging.after[0]) if paging.after else None

    def read(conn: Connection) -> tuple[dict[str, list[CampaignSummary]], list[CampaignSummary]]:
        rows = campaigns.listed(conn, PAST, before=before, limit=paging.fetch)
        return (
            {} if paging.after else grouped(conn, locale, _SHOWN),
            campaign_views.listed(conn, rows, locale),
        )

    groups, past = await parts.db.read(read)
    shown, cursor = paging.cut(past, lambda one: [one.id])
    launches = actor is not None and actor.has(*LAUNCHERS)
    return page(request, "campaigns", actor, groups=groups, past=shown, cursor=cursor, launches=launches)


@dataclass(frozen=True, slots=True)
class _Shown:
    campaign: CampaignOut
    numbers: MetricsOut
    rest: frozenset[int]
    place: EnrolmentOut | None


def seen_by(conn: Connection, campaign_id: str, actor: Actor) -> CampaignOut:
    """Return a campaign as ``actor`` sees it. Raises ``Problem``."""
    found = campaign_views.whole(conn, campaign_id, actor)
    if found is None:
        raise Problem("not_found")
    return found


def _read(conn: Connection, campaign_id: str, actor: Actor) -> _Shown:
    place = places.get(conn, campaign_id, actor.person_id)
    return _Shown(
        seen_by(conn, campaign_id, actor),
        campaign_views.metrics(conn, campaign_id),
        resting(conn, campaign_id),
        enrolments.own(conn, campaign_id, actor.person_id) if place is not None else None,
    )


@router.get("/{campaign_id}")
async def show(
    request: Request, actor: Annotated[Actor, allow.signed_in], campaign_id: ObjectId, parts: PartsDep
) -> Response:
    """Show what a campaign is, what it pays, how it goes, and my place in it."""
    return await _page(request, actor, campaign_id, parts, Form())


async def _page(
    request: Request, actor: Actor, campaign_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    shown = await parts.db.read(lambda conn: _read(conn, campaign_id, actor))
    return page(
        request,
        "campaign",
        actor,
        status=status,
        here=f"/campaigns/{campaign_id}",
        done=_done(request, shown.place),
        c=shown.campaign,
        numbers=shown.numbers,
        place=shown.place,
        plot=plot(shown.numbers.days, shown.rest),
        days=shown.numbers.days,
        hours=shown.campaign.reminder_hours,
        form=form,
    )


def _done(request: Request, place: EnrolmentOut | None) -> str | None:
    """Return what the address says was done; being in line is over once a place is free."""
    done, waits = request.query_params.get("done"), place is not None and place.place_in_line is not None
    return None if done == _IN_LINE and not waits else done


def hour_of(values: Mapping[str, Any]) -> str | None:
    """Return the reminder's hour as a form gives it; None for never."""
    return values.get("reminder_hour") or None


@router.post("/{campaign_id}/enrolments", openapi_extra=exempt("a person has one place"))
async def enrol(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Take part, or get in line."""
    values = await typed(request)
    body = {"reminder_hour": hour_of(values), "invite_code": values.get("invite_code", "").strip() or None}
    given, form = checked(EnrolIn, body, actor.locale)
    if given is None:
        return await _page(request, actor, campaign_id, parts, Form(values, form.errors), 422)
    shown = followed(request)
    try:
        if given.invite_code is not None:
            await count_try(request, actor.person_id)
        place, _ = await parts.db.write(
            lambda conn: enrolments.enrol(conn, campaign_id, actor.person_id, given, datetime.now(UTC), shown)
        )
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, values, actor.locale)
        return await _page(request, actor, campaign_id, parts, form, problem.status)
    return welcomed(campaign_id, place)


def welcomed(campaign_id: str, place: EnrolmentOut) -> Response:
    """Lead on whoever has just got a place, to the day's task, or a place in line."""
    if place.place_in_line is not None:
        return seen(f"/campaigns/{campaign_id}", _IN_LINE)
    return seen(f"/campaigns/{campaign_id}/me", "enrolled")


@router.post("/{campaign_id}/leave", openapi_extra=exempt("who has left stays so"))
async def leave(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Leave, or get out of line."""
    try:
        await parts.db.write(
            lambda conn: enrolments.leave(conn, campaign_id, actor.person_id, datetime.now(UTC))
        )
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, {}, actor.locale)
        return await _page(request, actor, campaign_id, parts, form, problem.status)
    return seen(f"/campaigns/{campaign_id}", "left")
