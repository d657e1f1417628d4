"""What has access to one's own account: programs with their tokens, sessions, the second factor."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.account import Here
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.parts import Parts
from api.problems import Problem
from api.routes.auth import TokenRequest
from api.security import tokens
from api.security.gate import Actor
from api.security.scopes import Scope
from db.repositories import access
from domain.people import Role

router = APIRouter(prefix="/account")

_PAGE: Final = "/account/access"
_DAYS: Final = (30, 90, 365)
_BEGUN: Final = {"scopes": [Scope.READ.value], "expires_in_days": str(_DAYS[1])}


@router.get("/access")
async def show(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Show my programs and what ends their access, my sessions', or the second factor's."""
    return await _access(request, actor, parts, Form(_BEGUN))


@router.post("/tokens", openapi_extra=exempt("a token is shown once; a repetition makes another"))
async def make(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Make a token for a program and show it, once."""
    values = await typed(request, lists=("scopes",))
    lasting = values | {"expires_in_days": values.get("expires_in_days") or None}
    given, form = checked(TokenRequest, lasting, actor.locale)
    if given is None:
        return await _access(request, actor, parts, form, 422)
    try:
        _, secret, _ = await tokens.make(parts.db, actor, given.name, given.scopes, given.expires_in_days)
    except Problem as problem:
        form = told(problem, values, actor.locale)
        return await _access(request, actor, parts, form, problem.status)
    return await _access(request, actor, parts, Form(_BEGUN), secret=secret)


@router.post("/tokens/{token_id}/revoke", openapi_extra=exempt("it stays revoked"))
async def revoke(actor: Here, token_id: ObjectId, parts: PartsDep) -> Response:
    """Take a program's access away."""
    now = datetime.now(UTC)
    if not await parts.db.write(lambda conn: access.revoke_token(conn, actor.person_id, token_id, now)):
        raise Problem("not_found")
    return seen(_PAGE, "token_revoked")


@router.post("/sessions/end", openapi_extra=exempt("it stays signed out"))
async def sign_out_everywhere(actor: Here, parts: PartsDep) -> Response:
    """End every session of mine, this one too."""
    await parts.db.write(lambda conn: access.end_sessions(conn, actor.person_id))
    response = seen("/", "signed_out_everywhere")
    parts.cookies.forget(response, parts.cookies.session)
    return response


@router.post("/second-factor/remove", openapi_extra=exempt("it stays removed"))
async def remove_second_factor(actor: Here, parts: PartsDep) -> Response:
    """Do without the second factor from now on."""
    await parts.second_factors.remove(actor)
    return seen(_PAGE, "factor_removed")


async def _access(
    request: Request, actor: Actor, parts: Parts, form: Form, status: int = 200, *, secret: str = ""
) -> Response:
    held: list[Any] = await parts.db.read(lambda conn: access.tokens_of(conn, actor.person_id))
    scopes = [scope for scope in Scope if scope not in tokens.ADMINS_ONLY or actor.has(Role.ADMIN)]
    return page(
        request,
        "account_access",
        actor,
        status=status,
        form=form,
        tokens=held,
        scopes=scopes,
        days=_DAYS,
        secret=secret,
        now=datetime.now(UTC),
    )
