"""Live numbers of campaigns: a page that stands open hears of a change and fetches itself again."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated, Final
from weakref import WeakKeyDictionary

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection
from starlette.requests import Request

from api.dependencies import ObjectId, PartsDep
from api.pages.watching import LOOK_SECONDS, watched
from api.parts import Parts
from api.security import allow
from api.security.credentials import credentials_of
from api.security.gate import Actor, Credentials
from api.services.campaign_views import may_see
from db.database import Database
from db.repositories import campaign_figures, campaigns

router = APIRouter(prefix="/campaigns/{campaign_id}")

_MOST_KEPT: Final = 500

Pulse = tuple[int, ...]

# Counting the members of a large campaign takes a while: everybody who watches it shares one count.
_counted: WeakKeyDictionary[Database, dict[str, tuple[float, Pulse]]] = WeakKeyDictionary()


@router.get("/events", response_class=EventSourceResponse)
async def events(
    request: Request, actor: Annotated[Actor, allow.signed_in], campaign_id: ObjectId, parts: PartsDep
) -> AsyncIterator[ServerSentEvent]:
    """Send ``changed`` whenever the campaign's numbers have, as long as the session holds."""
    credentials = credentials_of(request, parts.cookies)
    changes = watched(
        request,
        lambda: _pulse(parts, credentials, campaign_id),
        lambda found: ServerSentEvent(event="changed", data=sum(found)),
    )
    async for change in changes:
        yield change


async def _pulse(parts: Parts, credentials: Credentials, campaign_id: str) -> Pulse | None:
    """Return what the page's numbers hang on; None once the session is over or nothing may be seen."""
    kept = _counted.setdefault(parts.db, {})

    def read(conn: Connection) -> Pulse | None:
        actor = parts.gate.actor(conn, credentials)
        row = campaigns.get(conn, campaign_id)
        if actor is None or row is None or not may_see(conn, row, actor):
            return None
        at, pulse = kept.get(campaign_id, (0.0, ()))
        if monotonic() - at < LOOK_SECONDS / 2:
            return pulse
        places = campaign_figures.places(conn, campaign_id)
        done = sum(day.checked_in for day in campaign_figures.days(conn, campaign_id))
        pulse = (row.revision, row.edit_version, places.active, places.waiting, places.left, done)
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[campaign_id] = (monotonic(), pulse)
        return pulse

    return await parts.db.read(read)
