"""Clicks on invitations, which the browser keeps in a signed cookie until it joins, and tries of codes."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request

from api.parts import parts_of
from api.security import limits
from api.services import share_links
from settings import Settings

MOST_CLICKS: Final = 8
MOST_TRIES: Final = 60


@dataclass(frozen=True, slots=True)
class Followed:
    """What a request shows of invitations: clicks (invitation, instant), a keyed hash of its client,
    and shared notes that were read (featured note, instant)."""

    clicks: tuple[tuple[str, datetime], ...] = ()
    client_hash: str | None = None
    shares: tuple[tuple[str, datetime], ...] = ()


NOTHING_FOLLOWED: Final = Followed()


async def count_try(request: Request, person_id: str | None = None) -> None:
    """Count one try of a code by a person, or by a client that nobody knows.

    Raises ``Problem`` (429) past what anybody tries in a quarter of an hour.
    """
    await limits.count(parts_of(request).db, "invitation_code", person_id or _client(request), MOST_TRIES)


def _client(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _serializer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(settings.secret_key.get_secret_value(), salt="invitation-clicks")


def cookie_name(request: Request) -> str:
    """Return the name of the cookie that keeps clicks."""
    return f"{'__Host-' if parts_of(request).cookies.secure else ''}kameng_invited"


def _kept(request: Request) -> list[tuple[str, int]]:
    shown = request.cookies.get(cookie_name(request), "")
    if not shown or len(shown) > 2000:
        return []
    try:
        return [(str(one), int(at)) for one, at in _serializer(parts_of(request).settings).loads(shown)]
    except (BadSignature, ValueError, TypeError):
        return []


def followed(request: Request) -> Followed:
    """Return the clicks that the request's browser kept, none where they were not signed here."""
    secret = parts_of(request).settings.secret_key.get_secret_value().encode()
    client = hmac.new(secret, b"invitation-client\0" + _client(request).encode(), hashlib.sha256)
    clicks = tuple((one, datetime.fromtimestamp(at, UTC)) for one, at in _kept(request))
    return Followed(clicks, client.hexdigest(), share_links.read_notes(request))


def click_added(request: Request, invitation_id: str, *, signed_in: bool) -> str:
    """Return the cookie after one more click.

    The click of somebody signed in does not replace an earlier one on the same invitation: opened again
    right after signing up, it would make a new member look like an old one.
    """
    kept = _kept(request)
    if not (signed_in and any(one == invitation_id for one, _ in kept)):
        kept = [(one, at) for one, at in kept if one != invitation_id]
        kept.append((invitation_id, int(time.time())))
    return str(_serializer(parts_of(request).settings).dumps(kept[-MOST_CLICKS:]))
