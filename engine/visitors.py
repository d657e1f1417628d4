"""People at the JSON API, for programs that act as them: signed in, each with cookies of their own."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2

from domain.ids import new_id
from engine.errors import EngineError

ANSWER_SECONDS: Final = 75.0
SKIP_SECONDS: Final = 240.0
"""For so long the clock of one process is moved on, in requests of less than a minute."""
PREFIX: Final = "/api/v1"
BUSY_SECONDS: Final = 0.5
IDLE_SECONDS: Final = 2.0
"""A connection that is not used for so long is given up: sooner than any server closes it under a request."""
_BUSY: Final = frozenset({"temporal_unavailable", "database_unavailable", "request_in_progress"})


class Refusal(EngineError):
    """The API answered with a problem; ``code`` is its stable code."""

    def __init__(self, request: str, status: int, code: str, detail: str) -> None:
        super().__init__(f"{request}: {status} {code} {detail}".rstrip())
        self.status = status
        self.code = code


class Visitor:
    """One person (or program, or stranger) with cookies of their own."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def send(self, method: str, path: str, key: str | None = None, **given: Any) -> httpx2.Response:
        """Send one request to ``path`` below the API's prefix and return whatever is answered.

        ``key`` is the request's Idempotency-Key. Raises ``httpx2.TransportError`` without an answer.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.request(
            method, PREFIX + path, headers=headers | given.pop("headers", {}), **given
        )

    async def ask(
        self,
        method: str,
        path: str,
        key: str | None = None,
        *,
        patience: float = ANSWER_SECONDS,
        **given: Any,
    ) -> Any:
        """Send one request and return the JSON of its answer. Raises ``Refusal`` for a problem.

        Where Temporal or the database has no time just now, or no answer came, the request is sent again
        under its key, for ``patience`` seconds.
        """
        response = await self._answered(method, path, key or new_id(), patience, given)
        if response.is_success:
            return response.json() if response.content else None
        told = response.json() if _code_of(response) else {}
        detail = told.get("detail", "") + "".join(
            f" {e['field']}: {e['code']}" for e in told.get("errors", ())
        )
        raise Refusal(f"{method} {path}", response.status_code, told.get("code", ""), detail)

    async def _answered(
        self, method: str, path: str, key: str, patience: float, given: dict[str, Any]
    ) -> httpx2.Response:
        give_up = time.monotonic() + patience
        while True:
            try:
                response = await self.send(method, path, key, **deepcopy(given))
            except httpx2.ReadTimeout:
                if time.monotonic() > give_up:
                    raise
                continue
            busy = response.status_code in {409, 503} and _code_of(response) in _BUSY
            if not busy or time.monotonic() > give_up:
                return response
            await asyncio.sleep(BUSY_SECONDS)

    async def get(self, path: str, **parameters: Any) -> Any:
        """Read."""
        return await self.ask("GET", path, params=parameters)

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Any:
        """Act."""
        return await self.ask("POST", path, key, json=dict(body or {}))

    async def patch(self, path: str, body: Mapping[str, Any], *, version: int, key: str | None = None) -> Any:
        """Change what was read at ``version``."""
        return await self.ask("PATCH", path, key, json=dict(body), headers={"If-Match": f'"v{version}"'})

    async def upload(self, path: str, kind: str, name: str, content: bytes, media_type: str) -> str:
        """Hand in a file and return its id."""
        files = {"file": (name, content, media_type)}
        return str((await self.ask("POST", path, data={"kind": kind}, files=files))["id"])

    async def skip(self, application_id: str, length: timedelta) -> str:
        """Move the clock of an application forward; return its new time as the API writes it."""
        return await self.skip_process(f"application/{application_id}", length)

    async def skip_process(self, process: str, length: timedelta) -> str:
        """Move the clock of a process forward; return its new time as the API writes it.

        A long way on a busy machine takes several requests, each of which goes on where the last ended.
        """
        now = datetime.fromisoformat((await self.get("/dev/clock", process=process))["now"])
        until = now + max(length, timedelta(seconds=1))
        body = {"process": process, "until": until.isoformat()}
        arrived = await self.ask("POST", "/dev/clock/advance", patience=SKIP_SECONDS, json=body)
        return str(arrived["now"])


def _code_of(response: httpx2.Response) -> str:
    told = response.json() if "json" in response.headers.get("content-type", "") else {}
    return str(told.get("code", ""))


class Entrance:
    """The door of one running Kameng: strangers come in, signed in as people or programs."""

    def __init__(self, base_url: str, transport: httpx2.AsyncBaseTransport) -> None:
        self._base_url = base_url
        self._transport = transport
        self._known: dict[str, Visitor] = {}

    def stranger(self, **headers: str) -> Visitor:
        """Return somebody who is not signed in; ``headers`` come along with all their requests."""
        return Visitor(
            httpx2.AsyncClient(
                transport=self._transport, base_url=self._base_url, headers=headers, timeout=ANSWER_SECONDS
            )
        )

    async def by_name(self, email: str) -> Visitor:
        """Return the person with that address, signed in by the dev-only call, once for each."""
        if email not in self._known:
            visitor = self.stranger()
            _keep_token(visitor, await visitor.post("/dev/sessions", {"email": email}))
            self._known[email] = visitor
        return self._known[email]

    async def by_link(self, visitor: Visitor, link: str) -> dict[str, Any]:
        """Sign ``visitor``, who asked for it, in by a sign-in link from a mail; return who that is."""
        token = parse_qs(urlsplit(link).query)["token"][0]
        signed_in = await visitor.post("/auth/sessions", {"token": token})
        _keep_token(visitor, signed_in)
        return dict(signed_in["person"])

    def program(self, token: str) -> Visitor:
        """Return a program that shows an API token."""
        return self.stranger(Authorization=f"Bearer {token}")


def _keep_token(visitor: Visitor, signed_in: Mapping[str, Any]) -> None:
    """Prove with every further request that it is not another site's form."""
    visitor.http.headers["X-CSRF-Token"] = signed_in["csrf_token"]


@asynccontextmanager
async def entrance(
    base_url: str, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Entrance]:
    """Yield the door of the Kameng at ``base_url``; ``transport`` takes the place of the network."""
    limits = httpx2.Limits(max_connections=20, keepalive_expiry=IDLE_SECONDS)
    own = transport or httpx2.AsyncHTTPTransport(limits=limits)
    async with own:
        yield Entrance(base_url, own)
