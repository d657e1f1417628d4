"""Reading credentials and their counter-proof from a request's headers; and making new secrets."""

import hashlib
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from api.paths import PREFIX
from api.security.gate import Credentials

TOKEN_PREFIX = "kmg_"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_LONGEST = 200


def new_secret() -> str:
    """Return 256 fresh random bits as 43 characters that fit into URLs and cookies."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """Return what is stored of a random secret: SHA-256 is enough, nobody guesses 256 bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Cookies:
    """Names and attributes of the cookies: bound to this host and to HTTPS where there is HTTPS."""

    def __init__(self, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self.secure = secure
        self.session = f"{prefix}kameng_session"
        self.browser = f"{prefix}kameng_browser"
        self.target = f"{prefix}kameng_target"

    def set(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Set a cookie that scripts cannot read and other sites' forms do not send."""
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def forget(self, response: Response, name: str) -> None:
        """Have the browser drop a cookie."""
        response.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")


def credentials_of(request: Request, cookies: Cookies) -> Credentials:
    """Return what ``request`` shows. A bearer token counts before the cookie."""
    unsafe = request.method not in _SAFE
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer":
        return Credentials(token_hash=hashed(token.strip()[:_LONGEST]), unsafe=unsafe)
    secret = request.cookies.get(cookies.session) if "cookie" in headers else None
    if not secret:
        return Credentials(unsafe=unsafe)
    return Credentials(
        session_hash=hashed(secret[:_LONGEST]),
        unsafe=unsafe,
        same_site=unsafe and (same_site(request) or by_program(request)),
        csrf_token=headers.get(CSRF_HEADER) if unsafe else None,
    )


def same_site(request: Request) -> bool:
    """Tell whether the browser says that this request was made by our own pages or by the person."""
    fetched_from = request.headers.get("sec-fetch-site")
    if fetched_from is not None:
        return fetched_from in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and _is_own(request, origin)


def by_program(request: Request) -> bool:
    """Tell whether a program, and no browser, calls the JSON API with a cookie that it was given.

    Every browser names where an unsafe request to another site comes from, and none sends a SameSite
    cookie along with one: what says nothing at all was not sent for anybody else. Forms get no such credit.
    """
    silent = not any(name in request.headers for name in ("sec-fetch-site", "origin", CSRF_HEADER))
    return silent and request.url.path.startswith(f"{PREFIX}/")


def foreign(request: Request) -> bool:
    """Tell whether the browser says that another site made this request (for calls without sign-in)."""
    said = "sec-fetch-site" in request.headers or "origin" in request.headers
    return said and not same_site(request)


def _is_own(request: Request, origin: str) -> bool:
    return urlsplit(origin).netloc == request.headers.get("host")
