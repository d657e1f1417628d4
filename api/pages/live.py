"""Live status: a page that stands open hears of a change and fetches itself again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection
from starlette.requests import Request

from api.dependencies import ObjectId, PartsDep
from api.parts import Parts
from api.routes.applications import Reader
from api.security.credentials import credentials_of
from api.security.gate import Credentials
from db.errors import DatabaseUnavailable
from db.repositories import applications

router = APIRouter(prefix="/applications/{application_id}")

_LOOK_SECONDS: Final = 2.0
_LOOKS_BETWEEN_SIGNS: Final = 10
# A browser comes back by itself; ending now and then lets a server that is going down drain.
_LOOKS: Final = 150
_COME_BACK_MS: Final = 3000


@router.get("/events", response_class=EventSourceResponse)
async def events(
    request: Request, actor: Reader, application_id: ObjectId, parts: PartsDep
) -> AsyncIterator[ServerSentEvent]:
    """Send ``changed`` whenever the application's process has moved on, as long as the session holds."""
    credentials = credentials_of(request, parts.cookies)
    seen = await _revision(parts, credentials, application_id)
    yield ServerSentEvent(comment="here", retry=_COME_BACK_MS)
    for look in range(_LOOKS):
        await asyncio.sleep(_LOOK_SECONDS)
        if await request.is_disconnected():
            return
        try:
            found = await _revision(parts, credentials, application_id)
        except DatabaseUnavailable:
            continue
        if found is None:
            return
        if found != seen:
            seen = found
            yield ServerSentEvent(event="changed", data=found, id=str(found))
        elif look % _LOOKS_BETWEEN_SIGNS == 0:
            yield ServerSentEvent(comment="here")


async def _revision(parts: Parts, credentials: Credentials, application_id: str) -> int | None:
    """Return how far the process has come; None once the session is over."""

    def read(conn: Connection) -> int | None:
        if parts.gate.actor(conn, credentials) is None:
            return None
        row = applications.get(conn, application_id)
        return None if row is None else int(row.revision)

    return await parts.db.read(read)
