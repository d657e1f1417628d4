"""Watching something for a page that stands open: look now and then, and say when it has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from fastapi.sse import ServerSentEvent
from starlette.requests import Request

from db.errors import DatabaseUnavailable

T = TypeVar("T")

LOOK_SECONDS: Final = 2.0
_LOOKS_BETWEEN_SIGNS: Final = 10
# A browser comes back by itself; ending now and then lets a server that is going down drain.
_LOOKS: Final = 150
_COME_BACK_MS: Final = 3000


async def watched(
    request: Request, look: Callable[[], Awaitable[T | None]], tell: Callable[[T], ServerSentEvent]
) -> AsyncIterator[ServerSentEvent]:
    """Yield ``tell`` of whatever ``look`` finds changed, until it finds None or the reader is gone."""
    seen = await look()
    yield ServerSentEvent(comment="here", retry=_COME_BACK_MS)
    for number in range(_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        if await request.is_disconnected():
            return
        try:
            found = await look()
        except DatabaseUnavailable:
            continue
        if found is None:
            return
        if found != seen:
            seen = found
            yield tell(found)
        elif number % _LOOKS_BETWEEN_SIGNS == 0:
            yield ServerSentEvent(comment="here")
