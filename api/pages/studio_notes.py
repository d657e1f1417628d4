"""The leader's notes: what members wrote, which of it is shown to everybody, and what came of that."""

from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.campaigns import seen_by
from api.pages.campaigns_plots import plot
from api.pages.forms import Form, seen, told, typed
from api.pages.rendering import page
from api.pages.visits_plot import MOST_DAYS, VisitsDay, by_day, by_host
from api.pagination import Paging, PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.campaigns import LeaderOrStaff
from api.security.gate import Actor
from api.services import featured

router = APIRouter(prefix="/studio/campaigns/{campaign_id}")

ORDERS: Final = ("newest", "longest")
_FEATURED_SHOWN: Final = 50


@router.get("/notes")
async def notes(
    request: Request, actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show what members wrote, by day or the longest first, with buttons to feature it."""
    return await _page(request, actor, campaign_id, parts, paging, Form())


async def _page(
    request: Request,
    actor: Actor,
    campaign_id: str,
    parts: Parts,
    paging: Paging,
    form: Form,
    status: int = 200,
) -> Response:
    day, order = _filters(request.query_params)
    base = parts.settings.public_url

    def read(conn: Connection) -> Any:
        campaign = seen_by(conn, campaign_id, actor)
        first = paging.first(_FEATURED_SHOWN)
        return (
            campaign,
            featured.notes(conn, campaign_id, paging, day, longest=order == "longest"),
            featured.listed(conn, campaign_id, first, base).items,
            by_day(featured.visitors(conn, campaign_id)),
        )

    campaign, found, shown, days = await parts.db.read(read)
    filters = {"order": order} | ({"day": day} if day else {})
    return page(
        request,
        "shares/studio",
        actor,
        status=status,
        here=f"/studio/campaigns/{campaign_id}",
        c=campaign,
        notes=found.items,
        cursor=found.next_cursor,
        query=urlencode(filters),
        featured=shown,
        **_plotted(days),
        day=day,
        order=order,
        orders=ORDERS,
        form=form,
    )


def _plotted(days: list[VisitsDay]) -> dict[str, Any]:
    """Return what ``shares/visits_plot.html`` takes."""
    shown = days[-MOST_DAYS:]
    return {
        "plot": plot(shown),
        "shown": shown,
        "total": sum(day.checked_in for day in shown),
        "days": days,
    }


def _filters(given: Any) -> tuple[int | None, str]:
    day, order = str(given.get("day", "")), str(given.get("order", ""))
    number = int(day) if day.isascii() and day.isdigit() and len(day) <= 3 else 0
    return number or None, order if order in ORDERS else ORDERS[0]


@router.get("/notes/{check_in_id}/visits")
async def visits(
    request: Request, actor: LeaderOrStaff, campaign_id: ObjectId, check_in_id: ObjectId, parts: PartsDep
) -> Response:
    """Show where the visits of a featured note came from, and on which days."""

    def read(conn: Connection) -> Any:
        found = featured.visits(conn, check_in_id, actor, campaign_id)
        return seen_by(conn, campaign_id, actor), found

    campaign, found = await parts.db.read(read)
    days = by_day(found)
    return page(
        request,
        "shares/visits",
        actor,
        c=campaign,
        **_plotted(days),
        hosts=by_host(found),
    )


@router.post("/notes/{check_in_id}/{step}", openapi_extra=exempt("it stays featured, or taken down"))
async def step(
    request: Request,
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    check_in_id: ObjectId,
    step: Literal["feature", "take-down"],
    parts: PartsDep,
    paging: PagingDep,
) -> Response:
    """Feature a note, or take it down."""
    values = await typed(request)
    now, base = datetime.now(UTC), parts.settings.public_url

    def write(conn: Connection) -> None:
        if step == "feature":
            featured.feature(conn, check_in_id, actor, base, now)
        else:
            featured.take_down(conn, check_in_id, actor, now)

    try:
        await parts.db.write(write)
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, values, actor.locale)
        return await _page(request, actor, campaign_id, parts, paging, form, problem.status)
    day, order = _filters(values)
    back = urlencode({"order": order} | ({"day": day} if day else {}))
    done = "note_featured" if step == "feature" else "note_taken_down"
    return seen(f"/studio/campaigns/{campaign_id}/notes?{back}", done)
