"""The time machine of one campaign, for trying it out. Not in production."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import local, seen, typed
from api.problems import Problem
from api.security import allow
from api.services import clocks
from api.services.vetting import process_now
from contracts.base import campaign_process_id
from db.repositories import campaigns

router = APIRouter(dependencies=[allow.this_machine])

_STEPS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_PAST_IT: Final = timedelta(seconds=2)


@router.post("/dev/campaign-clock", openapi_extra=exempt("a repetition moves the clock again"))
async def skip(request: Request, parts: PartsDep) -> Response:
    """Move a campaign's clock by an hour, a day, a week, or to just after its next deadline."""
    values = await typed(request)
    campaign_id = values.get("campaign_id", "")[:36]
    row = await parts.db.read(lambda conn: campaigns.get(conn, campaign_id))
    if row is None:
        raise Problem("not_found")
    length = _STEPS.get(values.get("step", ""))
    if length is None:
        now = process_now(row)
        length = max((row.next_deadline or now) - now, timedelta(0)) + _PAST_IT
    await clocks.advance(parts, campaign_process_id(campaign_id), length)
    return seen(local(values.get("back"), f"/campaigns/{campaign_id}"), "clock_moved")
