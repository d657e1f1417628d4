"""Repeating an unsafe request safely: the same ``Idempotency-Key`` gives the same answer, once done.

A key counts for one person and one route. The same key with another body is refused, one whose first
request still runs is told to wait, and a finished one is answered again from the store with
``Idempotency-Replayed: true``. Only success is stored: what was refused may be tried again.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.parts import parts_of
from api.problems import Problem
from db.database import Database
from db.repositories import requests
from db.repositories.requests import Slot
from domain.ids import derived_id, new_id

GRACE: Final = timedelta(seconds=5)
STUCK_AFTER: Final = timedelta(seconds=10) + GRACE
"""A request that has not answered by then, well after its call to Temporal was given up, died with its
process: the key can be used again. With another bound on calls it is that bound and the grace."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_REPLAYED: Final = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True)
class Answer:
    """What a request is answered: a model or None, its status, and headers worth repeating."""

    status: int
    content: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        """The content as JSON; empty for none."""
        return "" if self.content is None else self.content.model_dump_json()


@dataclass(frozen=True)
class _Stored:
    status: int
    headers: dict[str, str]
    body: str
    replayed: bool = False

    def response(self) -> Response:
        headers = self.headers | (_REPLAYED if self.replayed else {})
        media_type = "application/json" if self.body else None
        return Response(self.body, self.status, headers, media_type)


KEY_PARAMETER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 128 visible ASCII characters; the same key repeats the same request.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[\x21-\x7e]+$"},
}
"""The header as OpenAPI knows it. It is read from the request: as a parameter of FastAPI's in a dependency
of its own it cost a check-in about 50 of 1,080 µs of processor time."""


def exempt(reason: str) -> dict[str, Any]:
    """Return ``openapi_extra`` for an unsafe route that takes no key, saying why it needs none."""
    return {"x-idempotency": reason}


def by_itself(how: str) -> dict[str, Any]:
    """Return ``openapi_extra`` for an unsafe route that takes a key and keeps it itself, saying how."""
    return {**exempt(how), "parameters": [KEY_PARAMETER]}


class Once:
    """The request's idempotency: runs an effect at most once for each key. Ask for it as ``OnceDep``."""

    def __init__(
        self,
        db: Database,
        route: str,
        key: str | None,
        fingerprint: str,
        stuck_after: timedelta = STUCK_AFTER,
    ) -> None:
        self._db = db
        self._stuck_after = stuck_after
        self._route = route
        self._key = key
        self._fingerprint = fingerprint

    async def write(self, person_id: str, effect: Callable[[Connection], Answer]) -> Response:
        """Run ``effect`` in one transaction with key and answer, and return the answer as a response.

        What ``effect`` raises leaves nothing behind. Raises ``Problem`` for a key that was used for
        another body or is in use.
        """
        slot = self._slot(person_id)

        def run(conn: Connection) -> _Stored:
            if slot is None:
                return _of(effect(conn))
            found = self._claim(conn, slot)
            if found is not None:
                return found
            stored = _of(effect(conn))
            requests.settle(conn, slot, stored.status, stored.headers, stored.body)
            return stored

        return (await self._db.write(run)).response()

    async def call(self, person_id: str, effect: Callable[[str], Awaitable[Answer]]) -> Response:
        """Run ``effect`` outside of any transaction: the key is reserved before and answered after.

        ``effect`` gets an id derived from the key, to be the id of a workflow update: a repetition after
        a crash asks for the same update, which Temporal carries out once. Raises as ``write`` does.
        """
        slot = self._slot(person_id)
        if slot is None:
            return _of(await effect(new_id())).response()
        found = await self._db.write(lambda conn: self._claim(conn, slot))
        if found is not None:
            return found.response()
        try:
            stored = _of(await effect(derived_id("update", person_id, self._route, slot.key)))
        except BaseException:
            await self._db.write(lambda conn: requests.release(conn, slot))
            raise
        await self._db.write(
            lambda conn: requests.settle(conn, slot, stored.status, stored.headers, stored.body)
        )
        return stored.response()

    def _slot(self, person_id: str) -> Slot | None:
        return None if self._key is None else Slot(person_id, self._route, self._key)

    def _claim(self, conn: Connection, slot: Slot) -> _Stored | None:
        """Take the key and return None, or return the answer that it already has."""
        now = datetime.now(UTC)
        if requests.reserve(conn, slot, self._fingerprint, now):
            return None
        held = requests.held(conn, slot)
        if held is None:
            raise Problem("request_in_progress", headers={"Retry-After": "1"})
        if held.body_hash != self._fingerprint:
            raise Problem("idempotency_key_reused")
        if held.status is not None:
            return _Stored(held.status, held.headers or {}, held.body or "", replayed=True)
        if held.created_at + self._stuck_after < now and requests.take_over(conn, slot, held.created_at, now):
            return None
        raise Problem("request_in_progress", headers={"Retry-After": "1"})


def _of(answer: Answer) -> _Stored:
    return _Stored(answer.status, dict(answer.headers), answer.body)


def key_of(request: Request) -> str | None:
    """Return the request's key, None for none. Raises ``Problem`` for a key that is no key."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem("idempotency_key_invalid")
    return key


async def once(request: Request) -> Once:
    """Return the idempotency of ``request``. Raises ``Problem`` for a key that is no key."""
    key = key_of(request)
    fingerprint = "" if key is None else await _fingerprint(request)
    parts = parts_of(request)
    stuck_after = timedelta(seconds=parts.settings.temporal_call_seconds) + GRACE
    return Once(parts.db, _route(request), key, fingerprint, stuck_after)


OnceDep = Annotated[Once, Depends(once)]


def _route(request: Request) -> str:
    template: str = request.app.state.template_of(request.scope)
    return f"{request.method} {template}"[:160]


async def _fingerprint(request: Request) -> str:
    """Hash what was asked: path, query and body. Uploads are told apart by size and name, not by content."""
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + request.url.query.encode() + b"\0")
    if request.headers.get("content-type", "").startswith("multipart/"):
        form = await request.form()
        for name, value in sorted(form.multi_items(), key=lambda item: item[0]):
            told = value if isinstance(value, str) else f"{value.filename}\0{value.size}"
            digest.update(f"{name}\0{told}\0".encode())
    else:
        digest.update(await request.body())
    return digest.hexdigest()
