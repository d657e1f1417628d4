"""Who reads shared notes: a signed cookie that tells a visitor apart from others, and says nothing else."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from api.parts import parts_of
from api.security.limits import WINDOW_SECONDS
from domain.campaigns.sharing import JOIN_WINDOW

NEW_VISITORS: Final = 60
"""Visitors without a cookie that are believed of one client in a quarter of an hour."""
KEPT_SECONDS: Final = 30 * 24 * 3600
_MOST_NOTES: Final = 8


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor by a keyed hash; ``known`` if the browser kept the cookie. ``notes``: read, and when."""

    key: str
    known: bool
    notes: tuple[tuple[str, int], ...] = ()


def _secret(request: Request) -> str:
    return parts_of(request).settings.secret_key.get_secret_value()


def _serializer(request: Request) -> URLSafeSerializer:
    return URLSafeSerializer(_secret(request), salt="shared-notes")


def _cookie_name(request: Request) -> str:
    return f"{'__Host-' if parts_of(request).cookies.secure else ''}kameng_reader"


def hashed(request: Request, *parts: str) -> str:
    """Return a keyed hash of ``parts``, 43 characters: it tells that two are the same, and not which."""
    text = "\0".join(("shared-notes", *parts)).encode()
    digest = hmac.new(_secret(request).encode(), text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def client_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def visitor_of(request: Request) -> Visitor:
    """Return who makes the request: as the cookie says, else by client, browser and day.

    The cookie keeps what the first visit was counted as, so that it and the next are one visitor's.
    """
    shown = request.cookies.get(_cookie_name(request), "")
    if shown and len(shown) <= 2000:
        try:
            key, notes = _serializer(request).loads(shown)
            return Visitor(str(key)[:43], True, tuple((str(one), int(at)) for one, at in notes))
        except (BadSignature, ValueError, TypeError):
            pass
    day = datetime.now(UTC).date().isoformat()
    agent = request.headers.get("user-agent", "")
    return Visitor(hashed(request, client_of(request), agent, day), False)


def remember(request: Request, response: Response, visitor: Visitor, featured_id: str) -> None:
    """Have the browser keep who it is and that it has just read a note."""
    notes = [(one, at) for one, at in visitor.notes if one != featured_id]
    notes.append((featured_id, int(time.time())))
    value = str(_serializer(request).dumps((visitor.key, notes[-_MOST_NOTES:])))
    parts_of(request).cookies.set(response, _cookie_name(request), value, KEPT_SECONDS)


def read_notes(request: Request) -> tuple[tuple[str, datetime], ...]:
    """Return the shared notes that the request's browser read within the days in which a join counts."""
    since = datetime.now(UTC) - JOIN_WINDOW
    read = ((one, datetime.fromtimestamp(at, UTC)) for one, at in visitor_of(request).notes)
    return tuple((one, at) for one, at in read if at >= since)


def limit_of(request: Request) -> tuple[str, int, int]:
    """Return the bucket, window and number of visitors without a cookie that are believed of a client."""
    window = int(time.time()) // WINDOW_SECONDS
    return f"share_visit:{hashed(request, client_of(request))}", window, NEW_VISITORS
