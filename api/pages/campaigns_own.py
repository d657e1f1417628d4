"""A member's own campaign: today's task and check-in, the calendar, reminders; and the leaderboards."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.applications import once_of
from api.pages.campaigns import Member, hour_of, seen_by
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pagination import PagingDep
from api.parts import Parts
from api.problems import Problem
from api.schemas.campaigns import CampaignOut
from api.schemas.enrolments import CheckInIn, EnrolmentChanges, MentioningOut, TodayOut
from api.schemas.shares import FeaturedOut
from api.security.gate import Actor
from api.security.rules import ID_PATTERN
from api.services import check_ins, enrolments, mentions
from api.services import featured as featured_notes
from api.services.mentions import Outcomes
from db.repositories import featured, invitation_attribution, pictures
from domain.campaigns.plan import Board
from domain.campaigns.requirements import Unmet
from domain.campaigns.sharing import SharingChoice
from domain.ids import new_id

router = APIRouter(prefix="/campaigns/{campaign_id}")

# Where on the form a refusal belongs.
_PLACES: Final = {
    Unmet.PROOF_MISSING.value: "note",
    Unmet.NOTE_TOO_SHORT.value: "note",
    Unmet.NOTE_REPEATS.value: "note",
    Unmet.LINK_INVALID.value: "link",
}
_FEATURED_SHOWN: Final = 20
_MENTIONS_SHOWN: Final = 3
_ID: Final = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class _Notes:
    """My featured notes, what I decided about all of them, pictures, and notes that mention me.

    ``waiting``: a picture to check in with. ``done``: whom the note just written has mentioned and invited.
    """

    featured: list[FeaturedOut]
    choice: SharingChoice
    waiting: str | None
    pictures: Sequence[Any]
    mentioning: list[MentioningOut]
    done: Outcomes | None


def _read(
    conn: Connection, campaign_id: str, actor: Actor, base: str, written: tuple[str, str]
) -> tuple[CampaignOut, TodayOut, _Notes, str | None]:
    person_id = actor.person_id
    notes = _Notes(
        featured_notes.own(conn, campaign_id, person_id, base, _FEATURED_SHOWN),
        featured.choice_of(conn, campaign_id, person_id),
        pictures.newest_unused(conn, campaign_id, person_id),
        pictures.of_member(conn, campaign_id, person_id),
        mentions.latest(conn, campaign_id, person_id, _MENTIONS_SHOWN + 1),
        mentions.outcomes(conn, campaign_id, person_id, *written) if written[0] else None,
    )
    return (
        seen_by(conn, campaign_id, actor),
        check_ins.today(conn, campaign_id, person_id),
        notes,
        invitation_attribution.inviter_name(conn, campaign_id, person_id),
    )


@router.get("/me")
async def today(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Show today's task and where I stand; who does not take part is led to the campaign."""
    try:
        return await own_page(request, actor, campaign_id, parts, Form())
    except Problem as problem:
        if problem.code != "not_enrolled":
            raise
        return seen(f"/campaigns/{campaign_id}")


async def own_page(
    request: Request, actor: Actor, campaign_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    """Show the own day with a form as it stands."""
    base, query = parts.settings.public_url, request.query_params
    check_in_id = query.get("check_in", "")
    written = (check_in_id if _ID.fullmatch(check_in_id) else "", query.get("invited", ""))
    campaign, own, notes, inviter = await parts.db.read(
        lambda conn: _read(conn, campaign_id, actor, base, written)
    )
    chosen = [] if own.reminder_hour is None else [own.reminder_hour]
    hours = sorted({*campaign.reminder_hours, *chosen})
    return page(
        request,
        "campaign_own",
        actor,
        status=status,
        here=f"/campaigns/{campaign_id}/me",
        c=campaign,
        own=own,
        inviter=inviter,
        notes=notes,
        mentions_shown=_MENTIONS_SHOWN,
        choices=list(SharingChoice),
        hours=hours,
        form=form,
        once=new_id(),
    )


@router.post("/check-ins", openapi_extra=exempt("a day is checked in once, and the hidden field finds it"))
async def check_in(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Check in for today, or make a missed day up."""
    values = await typed(request)
    given, form = checked(CheckInIn, _check_in_of(values), actor.locale)
    if given is None:
        errors = {("note" if name == "body" else name): text for name, text in form.errors.items()}
        return await own_page(request, actor, campaign_id, parts, Form(values, errors), 422)
    try:
        done = await parts.db.write(
            lambda conn: check_ins.check_in(conn, campaign_id, actor.person_id, given, once_of(values))
        )
    except Problem as problem:
        if problem.code in {"not_found", "not_enrolled"}:
            raise
        return await own_page(
            request, actor, campaign_id, parts, _placed(problem, values, actor.locale), problem.status
        )
    said = f"?check_in={done.id}&invited={mentions.codes_of(done)}" if done.mentions or done.invited else ""
    return seen(f"/campaigns/{campaign_id}/me{said}", "made_up" if given.makeup_for_day else "checked_in")


def _check_in_of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "note": values.get("note", ""),
        "link": values.get("link", "").strip() or None,
        "picture_id": values.get("picture_id") or None,
        "private": values.get("private") == "yes",
        "makeup_for_day": values.get("makeup_for_day") or None,
    }


def _placed(problem: Problem, values: Mapping[str, Any], locale: str) -> Form:
    """Return the form with a refusal said beside the field that it is about."""
    form = told(problem, values, locale)
    field = _PLACES.get(problem.code)
    if field is not None:
        form.errors[field], form.error = form.error, ""
    return form


@router.post("/reminder", openapi_extra=exempt("it stays chosen"))
async def remind(request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Choose the hour of my reminder, or none."""
    values = await typed(request)
    given, form = checked(EnrolmentChanges, {"reminder_hour": hour_of(values)}, actor.locale)
    if given is None:
        return await own_page(request, actor, campaign_id, parts, Form(values, form.errors), 422)
    hour = given.reminder_hour
    await parts.db.write(
        lambda conn: enrolments.set_reminder_hour(conn, campaign_id, actor.person_id, hour) and None
    )
    return seen(f"/campaigns/{campaign_id}/me", "reminder_set")


@router.get("/leaderboard")
async def leaderboard(
    request: Request, actor: Member, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep, by: str = ""
) -> Response:
    """Show a board by pages, and my own place."""
    chosen = Board(by) if by in set(Board) else Board.DAYS

    def read(conn: Connection) -> Any:
        campaign = seen_by(conn, campaign_id, actor)
        return campaign, *check_ins.board(conn, campaign_id, actor, chosen, paging.after, paging.fetch)

    campaign, lines, own = await parts.db.read(read)
    shown, cursor = paging.cut(lines, lambda line: check_ins.cursor_of(line, chosen, actor, own))
    return page(
        request,
        "campaign_board",
        actor,
        c=campaign,
        board=check_ins.board_out(chosen, shown, own, cursor),
        boards=list(Board),
        first=paging.after is None,
    )
