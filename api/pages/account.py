"""One's own account: name, language, time zone, list mail, second factor, sign-out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import available_timezones

import segno
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import Form, checked, local, seen, told, typed
from api.pages.rendering import page
from api.parts import Parts
from api.problems import Problem
from api.routes.auth import CodeInput, keep
from api.routes.me import MeChanges
from api.schemas.invitations import SeverIn
from api.security import allow
from api.security.gate import Actor
from api.security.second_factor import Rotated
from api.services import invitations
from db.repositories import access, invitation_attribution

router = APIRouter()

Here = Annotated[Actor, allow.session]
_ZONES = [*sorted(name for name in available_timezones() if "/" in name), "UTC"]


@router.get("/account")
async def show(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Show what can be changed, and who invited me."""
    return await _account(request, actor, parts, Form(_values(actor)))


async def _account(request: Request, actor: Actor, parts: Parts, form: Form) -> Response:
    status = 422 if form.failed else 200
    inviters = await parts.db.read(lambda conn: invitations.inviters(conn, actor.person_id))
    return page(request, "account", actor, status=status, form=form, zones=_ZONES, inviters=inviters.items)


def _values(actor: Actor) -> dict[str, Any]:
    return {
        "display_name": actor.display_name,
        "locale": actor.locale,
        "time_zone": actor.time_zone,
        "list_mail": actor.list_mail,
    }


@router.post("/account", openapi_extra=exempt("it stays changed"))
async def change(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Change the account."""
    values = await typed(request)
    values["list_mail"] = "list_mail" in values
    given, form = checked(MeChanges, values, actor.locale)
    if given is None:
        return await _account(request, actor, parts, form)
    changes = given.model_dump(exclude_none=True)
    await parts.db.write(lambda conn: access.change_person(conn, actor.person_id, changes))
    return seen("/account", "account_changed")


@router.post("/account/inviters/sever", openapi_extra=exempt("it stays cut"))
async def sever(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Cut the link to who invited me to one campaign, or to all."""
    values = await typed(request)
    given, _ = checked(SeverIn, {"campaign_id": values.get("campaign_id") or None}, actor.locale)
    if given is None:
        raise Problem("not_found")
    now, campaign_id = datetime.now(UTC), given.campaign_id
    await parts.db.write(lambda conn: invitation_attribution.sever(conn, actor.person_id, now, campaign_id))
    return seen("/account", "severed")


@router.post("/sign-out", openapi_extra=exempt("it stays signed out"))
async def sign_out(actor: Here, parts: PartsDep) -> Response:
    """End this session."""
    await parts.db.write(lambda conn: access.end_session(conn, actor.session_hash or ""))
    response = seen("/", "signed_out")
    parts.cookies.forget(response, parts.cookies.session)
    return response


@router.get("/account/security")
async def security(actor: Here) -> Response:
    """Lead on from the link in mails about the second factor."""
    return seen("/account")


@router.get("/account/second-factor")
async def second_factor(request: Request, actor: Here, next: str = "/") -> Response:
    """Show what the second factor needs: to be set up, to be passed, or nothing."""
    return _second_factor(request, actor, local(next))


@router.post("/account/second-factor", openapi_extra=exempt("a secret is shown once"))
async def enrol(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Show a new secret for an authenticator, as text and as a code to scan."""
    target = local((await typed(request)).get("next"))
    enrolment = await parts.second_factors.enrol(actor)
    picture = segno.make_qr(enrolment.uri).svg_data_uri(scale=5, dark="#000", light="#fff")
    return _second_factor(request, actor, target, enrolment={"seed": enrolment.seed, "picture": picture})


@router.post("/account/second-factor/confirm", openapi_extra=exempt("each code works once"))
async def confirm(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Prove the new secret and show the recovery codes, once."""

    def shown(rotated: Rotated, target: str) -> Response:
        return _second_factor(request, actor, target, codes=rotated.recovery_codes)

    # The secret is in the authenticator by now; the form for its code stays.
    enrolment = {"seed": "", "picture": ""}
    return await _proved(request, actor, parts, parts.second_factors.confirm, shown, enrolment)


@router.post("/account/second-factor/verify", openapi_extra=exempt("each code works once"))
async def verify(request: Request, actor: Here, parts: PartsDep) -> Response:
    """Pass the second factor with this session."""
    return await _proved(
        request, actor, parts, parts.second_factors.verify, lambda _rotated, target: seen(target)
    )


async def _proved(
    request: Request,
    actor: Actor,
    parts: Parts,
    prove: Callable[[Actor, str], Awaitable[Rotated]],
    onward: Callable[[Rotated, str], Response],
    enrolment: Mapping[str, str] | None = None,
) -> Response:
    """Have the typed code proved; answer ``onward`` with the new session, or the form again."""
    values = await typed(request)
    code, form = checked(CodeInput, {"code": values.get("code", "")}, actor.locale)
    target = local(values.get("next"))
    if code is not None:
        try:
            rotated = await prove(actor, code.code)
        except Problem as problem:
            form = told(problem, values, actor.locale)
        else:
            response = onward(rotated, target)
            keep(parts, response, rotated.secret)
            return response
    return _second_factor(request, actor, target, status=422, form=form, enrolment=enrolment)


def _second_factor(
    request: Request,
    actor: Actor,
    target: str,
    *,
    status: int = 200,
    form: Form | None = None,
    enrolment: Mapping[str, str] | None = None,
    codes: Sequence[str] = (),
) -> Response:
    return page(
        request,
        "second_factor",
        actor,
        status=status,
        form=form or Form(),
        target=target,
        enrolment=enrolment,
        codes=codes,
    )
