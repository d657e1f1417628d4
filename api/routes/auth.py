"""Sign-in: links, sessions, the second factor and API tokens."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.dependencies import DatabaseDep, ObjectId, PartsDep
from api.envelope import locale_of
from api.idempotency import exempt
from api.inputs import Email, Input, OneLine
from api.parts import Parts
from api.paths import PREFIX
from api.problems import Problem
from api.routes.me import Me, me_of
from api.security import allow, tokens
from api.security.credentials import credentials_of, hashed, new_secret
from api.security.gate import Actor, Credentials, SecondFactorState
from api.security.scopes import Scope
from api.security.second_factor import Rotated
from api.security.sign_in import Opened
from db.repositories import access

router = APIRouter(prefix=f"{PREFIX}/auth", tags=["sign-in"])

BROWSER_SECONDS = 365 * 24 * 3600

LinkToken = Annotated[str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
Code = Annotated[str, StringConstraints(min_length=6, max_length=20, pattern=r"^[A-Za-z0-9 -]+$")]


class LinkRequest(Input):
    """Whom to mail a sign-in link."""

    email: Email


class LinkAccepted(BaseModel):
    """The same answer for every address; the link works for this long."""

    minutes: int


class SessionRequest(Input):
    """The token of a sign-in link, and the second factor's code if there is one at hand."""

    token: LinkToken
    totp: Code | None = None


class SignedIn(BaseModel):
    """Who is signed in now, by the cookie that came along."""

    person: Me
    csrf_token: str
    second_factor: SecondFactorState


class CodeInput(Input):
    """Six digits of an authenticator, or a recovery code."""

    code: Code


class Enrolment(BaseModel):
    """A secret for an authenticator, as text and as the address behind a QR code. Shown once."""

    secret: str
    otpauth_uri: str


class Confirmed(BaseModel):
    """The second factor counts now. The recovery codes are shown once, and each works once."""

    recovery_codes: list[str]
    csrf_token: str


class Verified(BaseModel):
    """This session has passed the second factor; it goes on under a new cookie."""

    csrf_token: str


class TokenRequest(Input):
    """An API token to make; without ``expires_in_days`` it lasts until it is revoked."""

    name: Annotated[OneLine, Field(min_length=1, max_length=120)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class NewToken(BaseModel):
    """A token just made; ``token`` is shown once."""

    id: str
    token: str
    expires_at: datetime | None


class TokenView(BaseModel):
    """A token that can be used, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class TokenList(BaseModel):
    """The person's tokens, newest first."""

    items: list[TokenView]


@router.post(
    "/magic-links",
    status_code=202,
    dependencies=[allow.anyone],
    summary="Ask for a sign-in link",
    openapi_extra=exempt("a repetition mails another link, and the rate limit bounds it"),
)
async def ask(body: LinkRequest, request: Request, response: Response, parts: PartsDep) -> LinkAccepted:
    """Mail a link that signs in once; the answer does not tell whether the address is known.

    The browser gets a cookie that the link is bound to. Somebody new becomes a member by using the link.
    """
    browser = browser_of(request, parts) or new_secret()
    parts.cookies.set(response, parts.cookies.browser, browser, BROWSER_SECONDS)
    await parts.sign_in.ask(body.email, client_of(request), browser, locale_of(request.scope))
    return LinkAccepted(minutes=parts.settings.magic_link_minutes)


@router.post(
    "/sessions",
    status_code=201,
    dependencies=[allow.anyone],
    summary="Sign in",
    response_model=SignedIn,
    openapi_extra=exempt("a link signs in once"),
)
async def sign_in(body: SessionRequest, request: Request, parts: PartsDep) -> Response:
    """Use a link up and open a session; an earlier session of this browser ends."""
    old = credentials_of(request, parts.cookies).session_hash
    opened = await parts.sign_in.open(body.token, body.totp, browser_of(request, parts), old)
    return await signed_in(parts, opened)


@router.delete(
    "/sessions/current", status_code=204, summary="Sign out", openapi_extra=exempt("it stays signed out")
)
async def sign_out(actor: Annotated[Actor, allow.session], parts: PartsDep, response: Response) -> None:
    """End this session."""
    await parts.db.write(lambda conn: access.end_session(conn, actor.session_hash or ""))
    parts.cookies.forget(response, parts.cookies.session)


@router.delete(
    "/sessions", status_code=204, summary="Sign out everywhere", openapi_extra=exempt("it stays signed out")
)
async def sign_out_everywhere(
    actor: Annotated[Actor, allow.session], parts: PartsDep, response: Response
) -> None:
    """End every session of the person, this one too. API tokens stay."""
    await parts.db.write(lambda conn: access.end_sessions(conn, actor.person_id))
    parts.cookies.forget(response, parts.cookies.session)


@router.post(
    "/second-factor",
    status_code=201,
    summary="Begin to set up a second factor",
    openapi_extra=exempt("a secret is shown once; a repetition gives another"),
)
async def enrol(actor: Annotated[Actor, allow.session], parts: PartsDep) -> Enrolment:
    """Return a secret for an authenticator; it counts once a first code confirms it."""
    enrolment = await parts.second_factors.enrol(actor)
    return Enrolment(secret=enrolment.seed, otpauth_uri=enrolment.uri)


@router.post(
    "/second-factor/confirm",
    summary="Confirm the second factor",
    response_model=Confirmed,
    openapi_extra=exempt("each code works once"),
)
async def confirm(actor: Annotated[Actor, allow.session], body: CodeInput, parts: PartsDep) -> Response:
    """Prove the new secret by its first code. The session goes on under a new cookie, all others end."""
    rotated = await parts.second_factors.confirm(actor, body.code)
    content = Confirmed(recovery_codes=list(rotated.recovery_codes), csrf_token=rotated.csrf_token)
    return _rotated(parts, content, rotated)


@router.post(
    "/second-factor/verify",
    summary="Pass the second factor",
    response_model=Verified,
    openapi_extra=exempt("each code works once"),
)
async def verify(actor: Annotated[Actor, allow.session], body: CodeInput, parts: PartsDep) -> Response:
    """Pass the second factor by a code or a recovery code. The session goes on under a new cookie."""
    rotated = await parts.second_factors.verify(actor, body.code)
    return _rotated(parts, Verified(csrf_token=rotated.csrf_token), rotated)


@router.delete(
    "/second-factor",
    status_code=204,
    summary="Remove the second factor",
    openapi_extra=exempt("it stays removed"),
)
async def remove(actor: Annotated[Actor, allow.session], parts: PartsDep) -> None:
    """Remove the second factor; staff roles cannot be used then until another is set up."""
    await parts.second_factors.remove(actor)


@router.post(
    "/tokens",
    status_code=201,
    summary="Make an API token",
    openapi_extra=exempt("a token is shown once; a repetition makes another"),
)
async def make_token(actor: Annotated[Actor, allow.session], body: TokenRequest, db: DatabaseDep) -> NewToken:
    """Make a token that acts as its maker within its scopes, and never beyond the maker's roles."""
    token_id, secret, expires_at = await tokens.make(db, actor, body.name, body.scopes, body.expires_in_days)
    return NewToken(id=token_id, token=secret, expires_at=expires_at)


@router.get("/tokens", summary="List my API tokens")
async def list_tokens(actor: Annotated[Actor, allow.session], db: DatabaseDep) -> TokenList:
    """Return the tokens that can be used, without their secrets."""
    rows = await db.read(lambda conn: access.tokens_of(conn, actor.person_id))
    return TokenList(items=[TokenView.model_validate(dict(row)) for row in rows])


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    summary="Revoke an API token",
    openapi_extra=exempt("it stays revoked"),
)
async def revoke_token(actor: Annotated[Actor, allow.session], token_id: ObjectId, db: DatabaseDep) -> None:
    """Revoke one of the person's own tokens; it stops working at once."""
    now = datetime.now(UTC)
    if not await db.write(lambda conn: access.revoke_token(conn, actor.person_id, token_id, now)):
        raise Problem("not_found")


async def signed_in(parts: Parts, opened: Opened) -> Response:
    """Return the answer to a sign-in: who, what is still needed, and the session's cookie."""
    credentials = Credentials(session_hash=hashed(opened.secret))
    actor = await parts.db.read(lambda conn: parts.gate.actor(conn, credentials))
    if actor is None:
        raise Problem("link_invalid")
    content = SignedIn(
        person=me_of(actor), csrf_token=actor.csrf_token or "", second_factor=actor.second_factor_state
    )
    response = JSONResponse(content.model_dump(mode="json"), 201)
    keep(parts, response, opened.secret)
    return response


def _rotated(parts: Parts, content: BaseModel, rotated: Rotated) -> Response:
    response = JSONResponse(content.model_dump(mode="json"))
    keep(parts, response, rotated.secret)
    return response


def keep(parts: Parts, response: Response, secret: str) -> None:
    """Put a session's secret into the browser's cookie."""
    seconds = parts.settings.session_absolute_hours * 3600
    parts.cookies.set(response, parts.cookies.session, secret, seconds)


def browser_of(request: Request, parts: Parts) -> str | None:
    """Return the secret that tells this browser from others, if it shows one."""
    return request.cookies.get(parts.cookies.browser)


def client_of(request: Request) -> str:
    """Return who counts as one client; uvicorn has put in what trusted proxies forwarded."""
    return request.client.host if request.client else "unknown"
