"""How much of a body is taken in: one bound for every route, and a higher one where a route says so.

FastAPI's own limit answers in plain text from outside the problem handlers; this one raises where the body
is read, so that the answer is a problem document.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

_EXTENSION: Final = "x-max-body-bytes"


def body_up_to(size: int) -> dict[str, Any]:
    """Return ``openapi_extra`` for a route that takes bodies of up to ``size`` bytes."""
    return {_EXTENSION: size}


def declared_limit(openapi_extra: dict[str, Any] | None) -> int | None:
    """Return the bound that a route declares, None for the usual one."""
    return (openapi_extra or {}).get(_EXTENSION)


class Intake:
    """The way in of one request: counts its body. The bound is looked up when the body is first read."""

    __slots__ = ("_limit", "_limit_of", "_read", "_receive", "_scope")

    def __init__(self, scope: Scope, receive: Receive, limit_of: Callable[[Scope], int]) -> None:
        self._scope = scope
        self._receive = receive
        self._limit_of = limit_of
        self._limit = -1
        self._read = 0

    async def receive(self) -> Message:
        """Return the next message. Raises ``HTTPException`` (413) once too much was announced or sent."""
        if self._limit < 0:
            self._limit = self._limit_of(self._scope)
            if _announced(self._scope) > self._limit:
                raise HTTPException(413)
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                raise HTTPException(413)
        return message


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
