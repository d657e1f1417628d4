"""What every request passes first and every answer last: request id, metrics, log line, safe headers.

One plain ASGI layer instead of a stack of them, because the hottest calls are measured against a
request that does nothing.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.intake import Intake
from api.languages import preferred_locale
from api.observability import Metrics
from api.problems import MEDIA_TYPE, Problem
from api.security.rules import ID_PATTERN
from contracts.base import application_process_id, campaign_process_id
from domain.ids import new_id

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
SLOW_SECONDS = 1.0
GONE = 499  # the client left before an answer began

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_DEFAULTS = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

log: Any = structlog.get_logger("kameng.api")


class Envelope:
    """Wraps the whole application. ``template_of`` names the route that a scope was led to, and
    ``limit_of`` how many bytes of body it takes."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        template_of: Callable[[Scope], str],
        limit_of: Callable[[Scope], int],
        secure: bool,
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.template_of = template_of
        self.limit_of = limit_of
        self.always = [*_HEADERS, *([_HSTS] if secure else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        exchange = _Exchange(send, [*self.always, (b"x-request-id", request_id.encode())])
        started = time.perf_counter()
        self.metrics.in_flight += 1
        try:
            await self.app(scope, Intake(scope, receive, self.limit_of).receive, exchange.send)
        except Exception as error:
            await self._failed(scope, receive, exchange, error, request_id)
        finally:
            self.metrics.in_flight -= 1
            self._count(scope, exchange.status or GONE, time.perf_counter() - started)
            structlog.contextvars.clear_contextvars()

    async def _failed(
        self, scope: Scope, receive: Receive, exchange: "_Exchange", error: Exception, request_id: str
    ) -> None:
        """Log what nobody foresaw and answer without a word about it."""
        log.error("request failed", method=scope["method"], route=self.template_of(scope), exc_info=error)
        if not exchange.status:
            document = Problem("internal_error").document(locale_of(scope), request_id)
            content = document.model_dump(mode="json", exclude_none=True)
            await JSONResponse(content, 500, media_type=MEDIA_TYPE)(scope, receive, exchange.send)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = self.template_of(scope), scope["method"]
        if method not in _METHODS:
            method = "other"
        self.metrics.count(method, route, status, seconds)
        slow_or_failed = status >= 500 or seconds >= SLOW_SECONDS
        unsafe = method not in _SAFE
        if not (slow_or_failed or unsafe or status >= 400):
            return
        process = _process_of(scope)
        said = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4), **process}
        if slow_or_failed:
            log.warning("request", **said)
        elif unsafe and process and not route.endswith(_COUNTLESS):
            # What people ask of a process is told; votes and check-ins are too many, and nobody's business.
            log.info("request", **said)
        else:
            log.debug("request", **said)


def _process_of(scope: Scope) -> dict[str, str]:
    """Return the process that a request is about, by its id; nothing for what is no id."""
    given = scope.get("path_params", {})
    for name, process_id in _PROCESSES.items():
        if _ID.fullmatch(given.get(name, "")):
            return {"process_id": process_id(given[name])}
    return {}


_ID = re.compile(ID_PATTERN)
_PROCESSES = {"application_id": application_process_id, "campaign_id": campaign_process_id}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_COUNTLESS = ("/checkins", "/check-ins")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class _Exchange:
    """The way back: adds headers to the answer's head and remembers its status."""

    def __init__(self, send: Send, always: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._always = always
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name for name, _ in headers}
            headers += self._always
            headers += [header for header in _DEFAULTS if header[0] not in present]
            message["headers"] = headers
        await self._send(message)


def locale_of(scope: Scope) -> str:
    """Return the language to answer in: the person's own if known by now, else the browser's."""
    known = scope.get("state", {}).get("locale")
    if known:
        return str(known)
    for name, value in scope["headers"]:
        if name == b"accept-language":
            return preferred_locale(value.decode("latin-1"))
    return preferred_locale("")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return str(value.decode())
    return new_id()
