"""Signing in by a link in a mail. Opening the link shows a page; only its button uses the link up."""

from urllib.parse import quote, unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import checked, local, seen, told, typed
from api.pages.rendering import page, reader_of, zone_of
from api.pages.visitors import visitor
from api.parts import Parts
from api.problems import Problem
from api.routes.auth import BROWSER_SECONDS, LinkRequest, SessionRequest, browser_of, client_of, keep
from api.security import allow
from api.security.credentials import credentials_of, new_secret

router = APIRouter(dependencies=[allow.anyone])


@router.get("/sign-in")
async def show(request: Request, parts: PartsDep, token: str = "", next: str = "/") -> Response:
    """Ask for the address; or, opened from the mail, for the press of the button that signs in."""
    actor = await visitor(request)
    target = local(next)
    if token:
        target = local(unquote(request.cookies.get(parts.cookies.target, "")), target)
        return page(request, "sign_in_confirm", actor, token=token[:200], target=target)
    if actor is not None:
        return seen(target)
    return page(request, "sign_in", actor, form=None, target=target)


@router.post("/sign-in", openapi_extra=exempt("a repetition mails another link"))
async def ask(request: Request, parts: PartsDep) -> Response:
    """Mail a link; the page that follows is the same for known and unknown addresses."""
    values = await typed(request)
    locale = reader_of(request, None).locale
    target = local(values.get("next"))
    given, form = checked(LinkRequest, {"email": values.get("email", "")}, locale)
    if given is None:
        return page(request, "sign_in", None, status=422, form=form, target=target)
    browser = browser_of(request, parts) or new_secret()
    try:
        await parts.sign_in.ask(given.email, client_of(request), browser, locale)
    except Problem as problem:
        form = told(problem, values, locale)
        return page(request, "sign_in", None, status=problem.status, form=form, target=target)
    minutes = parts.settings.magic_link_minutes
    response = page(request, "sign_in_sent", None, email=given.email, minutes=minutes)
    parts.cookies.set(response, parts.cookies.browser, browser, BROWSER_SECONDS)
    # The mail says nothing of where somebody was going, to an invitation above all: the browser keeps it.
    parts.cookies.set(response, parts.cookies.target, quote(target), minutes * 60)
    return response


@router.post("/sign-in/confirm", openapi_extra=exempt("a link signs in once"))
async def confirm(request: Request, parts: PartsDep) -> Response:
    """Use the link up and open a session."""
    values = await typed(request)
    locale = reader_of(request, None).locale
    given, _ = checked(SessionRequest, {"token": values.get("token", "")}, locale)
    if given is None:
        raise Problem("link_invalid")
    old = credentials_of(request, parts.cookies).session_hash
    browser, zone = browser_of(request, parts), zone_of(request)
    opened = await parts.sign_in.open(given.token, None, browser, old, zone)
    response = signed_in(parts, opened.secret, local(values.get("next")))
    parts.cookies.forget(response, parts.cookies.target)
    return response


def signed_in(parts: Parts, secret: str, target: str) -> Response:
    """Return the way on after a sign-in, with the session's cookie."""
    response = seen(target)
    keep(parts, response, secret)
    return response
