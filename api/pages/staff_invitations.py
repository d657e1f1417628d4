"""The queue of doubtful friends: each case with its reasons, and the decision."""

from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pagination import Paging, PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.invitation_doubts import Judge
from api.schemas.invitation_doubts import DecidedOut, DoubtDecisionIn, DoubtDecisionsIn
from api.security.gate import Actor
from api.services import invitation_doubts
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtReason
from locales import translate

router = APIRouter(prefix="/staff/invitations")


@router.get("")
async def queue(
    request: Request, actor: Judge, parts: PartsDep, paging: PagingDep, reason: str = ""
) -> Response:
    """Show what waits for a decision, the oldest first; all, or one kind of reason."""
    return await _queue(request, actor, parts, paging, _reason(reason), Form())


def _reason(code: str) -> DoubtReason | None:
    return DoubtReason(code) if code in set(DoubtReason) else None


async def _queue(
    request: Request,
    actor: Actor,
    parts: Parts,
    paging: Paging,
    chosen: DoubtReason | None,
    form: Form,
    status: int = 200,
) -> Response:
    found = await parts.db.read(lambda conn: invitation_doubts.queue(conn, paging, chosen))
    return page(
        request,
        "invitations/queue",
        actor,
        status=status,
        here="/staff/invitations",
        items=found.items,
        cursor=found.next_cursor,
        reasons=list(DoubtReason),
        chosen=chosen,
        decisions=list(DoubtDecision),
        form=form,
        first=paging.after is None,
        now=datetime.now(UTC),
    )


@router.post("/decisions", openapi_extra=exempt("a case is decided once"))
async def decide_several(
    request: Request, actor: Judge, parts: PartsDep, paging: PagingDep, reason: str = ""
) -> Response:
    """Decide alike about the chosen cases, or about all that were shown; each is decided by itself."""
    values = await typed(request, lists=("cases", "shown"))
    cases = values["shown"] if values.get("all") else values["cases"]
    body = {name: values.get(name) or None for name in ("decision", "note")} | {"cases": cases}
    given, form = checked(DoubtDecisionsIn, body, actor.locale)
    if given is None:
        for name, text in (("decision", "page.staff.choose_decision"), ("cases", "page.doubts.choose_cases")):
            if name in form.errors:
                form.errors[name] = translate(actor.locale, text)
        form = Form(values, form.errors)
        return await _queue(request, actor, parts, paging, _reason(reason), form, 422)
    refused = await _decide_each(parts, actor, given)
    if refused is not None:
        form = told(refused, {}, actor.locale)
        return await _queue(request, actor, parts, paging, _reason(reason), form, refused.status)
    where = f"?reason={reason}" if _reason(reason) else ""
    return seen(f"/staff/invitations{where}", "friends_decided")


async def _decide_each(parts: Parts, actor: Actor, given: DoubtDecisionsIn) -> Problem | None:
    """Decide case by case, so that one that is refused holds up no other; return the last refusal."""
    refused = None
    for join_id in given.cases:
        try:
            await _decided(parts, actor, join_id, given)
        except Problem as problem:
            refused = problem
    return refused


async def _decided(parts: Parts, actor: Actor, join_id: str, given: DoubtDecisionIn) -> DecidedOut:
    now = datetime.now(UTC)
    return await parts.db.write(
        lambda conn: invitation_doubts.decide(conn, join_id, given, actor.person_id, now)
    )


@router.get("/{join_id}")
async def show(request: Request, actor: Judge, join_id: ObjectId, parts: PartsDep) -> Response:
    """Show a case, decided or not."""
    return await _show(request, actor, join_id, parts, Form())


async def _show(
    request: Request, actor: Actor, join_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    found = await parts.db.read(lambda conn: invitation_doubts.case(conn, join_id))
    return page(
        request,
        "invitations/case",
        actor,
        status=status,
        here="/staff/invitations",
        case=found,
        decisions=list(DoubtDecision),
        form=form,
        now=datetime.now(UTC),
    )


@router.post("/{join_id}/decision", openapi_extra=exempt("a case is decided once"))
async def decide(request: Request, actor: Judge, join_id: ObjectId, parts: PartsDep) -> Response:
    """Let the friend count, or not."""
    values = await typed(request)
    body = {name: values.get(name) or None for name in ("decision", "note")}
    given, form = checked(DoubtDecisionIn, body, actor.locale)
    if given is None:
        if "decision" in form.errors:
            form.errors["decision"] = translate(actor.locale, "page.staff.choose_decision")
        return await _show(request, actor, join_id, parts, Form(values, form.errors), 422)
    try:
        decided = await _decided(parts, actor, join_id, given)
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, values, actor.locale)
        return await _show(request, actor, join_id, parts, form, problem.status)
    return seen(f"/staff/invitations/{join_id}", f"friend_{decided.outcome.value}")
