"""Steering a campaign by form, from the studio and from the staff desk alike."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.pages.applications import once_of
from api.pages.forms import Form, checked, seen, told, typed
from api.parts import Parts
from api.problems import Problem
from api.schemas.campaigns import ExtendIn, StopIn
from api.security.gate import Actor
from api.services.campaigns import CampaignService

Again = Callable[[Form, int], Awaitable[Response]]
STEPS: Final = ("pause", "resume", "extend", "cancel")


def service_of(parts: Parts) -> CampaignService:
    """Return the service that asks the processes."""
    return CampaignService(parts.db, parts.temporal, parts.settings)


async def steered(
    request: Request, actor: Actor, campaign_id: str, parts: Parts, step: str, back: str, again: Again
) -> Response:
    """Carry one step out and lead ``back``; ``again`` shows the page with what was refused."""
    values = await typed(request) | {"form": step}
    body = {"days": values.get("days", "")} if step == "extend" else {"reason": values.get("reason") or None}
    given, form = checked(ExtendIn if step == "extend" else StopIn, body, actor.locale)
    if given is None:
        return await again(Form(values, form.errors), 422)
    try:
        view = await _sent(service_of(parts), actor, campaign_id, step, given, values)
    except Problem as problem:
        if problem.code == "not_found":
            raise
        return await again(told(problem, values, actor.locale), problem.status)
    return seen("/studio", "draft_deleted") if view is None else seen(back, f"campaign_{step}")


async def _sent(
    service: CampaignService,
    actor: Actor,
    campaign_id: str,
    step: str,
    given: Any,
    values: Mapping[str, Any],
) -> Any:
    once = once_of(dict(values))
    if step == "pause":
        return await service.pause(actor, campaign_id, given.reason, once)
    if step == "resume":
        return await service.resume(actor, campaign_id, once)
    if step == "extend":
        return await service.extend(actor, campaign_id, given.days, once)
    return await service.cancel(actor, campaign_id, given.reason, once)
