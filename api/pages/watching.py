"""Watching something for a page that stands open: look now and then, and say when it has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from fastapi.sse import ServerSentEvent
from starlette.requests import Request

from api.parts import parts_of
from db.errors import DatabaseUnavailable

T = TypeVar("T")

LOOK_SECONDS: Final = 2.0
_LOOKS_BETWEEN_SIGNS: Final = 10
# A browser comes back by itself; a reader whose going was not noticed is not watched for ever.
_LOOKS: Final = 150
_COME_BACK_MS: Final = 3000


async def watched(
    request: Request, look: Callable[[], Awaitable[T | None]], tell: Callable[[T], ServerSentEvent]
) -> AsyncIterator[ServerSentEvent]:
    """Yield ``tell`` of whatever ``look`` finds changed.

    It ends when ``look`` finds None, when the reader is gone, and at once when the server is asked to end.
    """
    draining = parts_of(request).draining
    seen = await look()
    yield ServerSentEvent(comment="here", retry=_COME_BACK_MS)
    for number in range(_LOOKS):
        with suppress(TimeoutError):
            await asyncio.wait_for(draining.wait(), LOOK_SECONDS)
        if draining.is_set() or await request.is_disconnected():
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
