"""Live status: a page that stands open hears of a change and fetches itself again."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection
from starlette.requests import Request

from api.dependencies import ObjectId, PartsDep
from api.pages.watching import watched
from api.parts import Parts
from api.routes.applications import Reader
from api.security.credentials import credentials_of
from api.security.gate import Credentials
from db.repositories import applications

router = APIRouter(prefix="/applications/{application_id}")


@router.get("/events", response_class=EventSourceResponse)
async def events(
    request: Request, actor: Reader, application_id: ObjectId, parts: PartsDep
) -> AsyncIterator[ServerSentEvent]:
    """Send ``changed`` whenever the application's process has moved on, as long as the session holds."""
    credentials = credentials_of(request, parts.cookies)
    changes = watched(
        request,
        lambda: _revision(parts, credentials, application_id),
        lambda found: ServerSentEvent(event="changed", data=found, id=str(found)),
    )
    async for change in changes:
        yield change


async def _revision(parts: Parts, credentials: Credentials, application_id: str) -> int | None:
    """Return how far the process has come; None once the session is over."""

    def read(conn: Connection) -> int | None:
        if parts.gate.actor(conn, credentials) is None:
            return None
        row = applications.get(conn, application_id)
        return None if row is None else int(row.revision)

    return await parts.db.read(read)
