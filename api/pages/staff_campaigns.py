"""The staff desk of campaigns: what waits for approval, the decision, steering what runs."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.applications import once_of
from api.pages.campaigns import seen_by
from api.pages.campaigns_plots import plot, resting
from api.pages.campaigns_steering import service_of, steered
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.pages.studio import Step
from api.pagination import PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.campaigns import Manager
from api.schemas.campaigns import ReviewIn
from api.security.gate import Actor
from api.services import amnesties, campaign_desk, campaign_views
from contracts.base import campaign_process_id
from db.repositories import campaign_stories, campaigns, pool
from domain.campaigns.invitations import PlanWarning, warning_text_id
from domain.campaigns.terms import ENDED, REVIEW_REASONS, ReasonCode, Refusal, ReviewDecision, Status
from domain.ids import new_id
from locales import translate
from settings import Settings

router = APIRouter(prefix="/staff/campaigns")

_TABS: Final = (
    Status.IN_REVIEW,
    Status.SCHEDULED,
    Status.ENROLLING,
    Status.RUNNING,
    Status.PAUSED,
    Status.SETTLED,
    Status.CANCELLED,
    Status.REJECTED,
)
_COUNTED: Final = tuple(status for status in _TABS if status not in ENDED)


@router.get("")
async def queue(
    request: Request, actor: Manager, parts: PartsDep, paging: PagingDep, status: str = ""
) -> Response:
    """Show campaigns of one status; by default those that wait for approval, who waits longest first."""
    chosen = Status(status) if status in {one.value for one in _TABS} else Status.IN_REVIEW

    def read(conn: Connection) -> Any:
        return campaign_desk.queue(conn, chosen, paging, actor.locale), campaigns.counted(conn, _COUNTED)

    found, counts = await parts.db.read(read)
    return page(
        request,
        "staff_campaigns",
        actor,
        here="/staff/campaigns",
        rows=found.items,
        cursor=found.next_cursor,
        tabs=_TABS,
        chosen=chosen,
        counts=counts,
    )


@router.get("/{campaign_id}")
async def show(request: Request, actor: Manager, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Show the plan beside the pool, and the decision that is due."""
    return await shown(request, actor, campaign_id, parts, Form())


async def shown(
    request: Request, actor: Actor, campaign_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    """Return the page of one campaign, with ``form`` as far as something in it has to be put right."""

    def read(conn: Connection) -> Any:
        return (
            seen_by(conn, campaign_id, actor),
            campaign_views.metrics(conn, campaign_id),
            campaign_stories.of(conn, campaign_id),
            pool.overview(conn, datetime.now(UTC).date()),
            amnesties.listed(conn, campaign_id),
            resting(conn, campaign_id),
        )

    campaign, numbers, story, held, given, rest = await parts.db.read(read)
    return page(
        request,
        "staff_campaign",
        actor,
        status=status,
        here=f"/staff/campaigns/{campaign_id}",
        base=f"/staff/campaigns/{campaign_id}",
        c=campaign,
        numbers=numbers,
        days=numbers.days,
        plot=plot(numbers.days, rest),
        story=story,
        left=held.in_pool,
        amnesties=given,
        warnings=[warning_text_id(PlanWarning(code)) for code in campaign.warnings],
        decisions=list(ReviewDecision),
        reasons=[reason for reason in ReasonCode if reason in REVIEW_REASONS],
        process=_process_link(parts.settings, campaign_id),
        form=form,
        once=new_id(),
    )


def _process_link(settings: Settings, campaign_id: str) -> str:
    if not settings.temporal_ui_url:
        return ""
    process = campaign_process_id(campaign_id).replace("/", "%2F")
    base = settings.temporal_ui_url.rstrip("/")
    return f"{base}/namespaces/{settings.temporal_namespace}/workflows/{process}"


@router.post("/{campaign_id}/review", openapi_extra=exempt("the hidden field: one decision"))
async def review(request: Request, actor: Manager, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Approve, reject or ask for changes."""
    values = await typed(request, ("reasons",)) | {"form": "review"}
    body = {name: values.get(name) or None for name in ("decision", "note")}
    given, form = checked(ReviewIn, body | {"reasons": values["reasons"]}, actor.locale)
    if given is None:
        if "decision" in form.errors:
            form.errors["decision"] = translate(actor.locale, "page.staff.choose_decision")
        return await shown(request, actor, campaign_id, parts, Form(values, form.errors), 422)
    try:
        await service_of(parts).review(
            actor, campaign_id, given.decision, tuple(given.reasons), given.note, once_of(values)
        )
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = told(problem, values, actor.locale)
        if problem.code == Refusal.REASONS_REQUIRED.value:
            form.errors["reasons"] = form.error
        return await shown(request, actor, campaign_id, parts, form, problem.status)
    return seen(f"/staff/campaigns/{campaign_id}", f"campaign_{given.decision.value}")


@router.post("/{campaign_id}/steps/{step}", openapi_extra=exempt("the hidden field: one step"))
async def steer(
    request: Request, actor: Manager, campaign_id: ObjectId, step: Step, parts: PartsDep
) -> Response:
    """Pause, resume, extend or cancel somebody's campaign."""
    return await steered(
        request,
        actor,
        campaign_id,
        parts,
        step,
        f"/staff/campaigns/{campaign_id}",
        lambda form, status: shown(request, actor, campaign_id, parts, form, status),
    )
