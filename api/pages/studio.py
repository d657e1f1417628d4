"""The leader's studio: my campaigns, templates, the editor, the dashboard, the report."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages import studio_plan
from api.pages.applications import once_of
from api.pages.campaigns import seen_by
from api.pages.campaigns_plots import plot, resting
from api.pages.campaigns_steering import service_of, steered
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.invitations_plot import plot as funnel_plot
from api.pages.rendering import page
from api.pagination import PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.campaign_reports import csv_answer
from api.routes.campaigns import Leader, LeaderOrStaff
from api.schemas.campaign_reports import ReportOut
from api.schemas.campaigns import CampaignChanges, CampaignIn, CampaignOut, CampaignSummary
from api.security import allow
from api.security.gate import Actor
from api.services import campaign_drafts, campaign_reports, campaign_templates, campaign_views
from api.services.campaigns import LAUNCHERS
from db.repositories import campaign_stories, campaigns, people
from db.repositories.campaigns import NotEditable, Stale
from domain.campaigns.invitations import PlanWarning
from domain.campaigns.plan import Board, CampaignPlan, Enrolment, InvitationMode, Proof
from domain.campaigns.terms import ENDED, Refusal, Status, WaitingOn
from domain.ids import new_id
from domain.people import PersonStatus

router = APIRouter(prefix="/studio")

Launcher = Annotated[Actor, allow.roles(*LAUNCHERS)]
Step = Literal["pause", "resume", "extend", "cancel"]
_LEAD: Final = timedelta(days=10)
_GROUPS: Final = ("needs_me", "under_way", "with_staff", "over")


@router.get("")
async def mine(
    request: Request, actor: Annotated[Actor, allow.signed_in], parts: PartsDep, paging: PagingDep
) -> Response:
    """Show the campaigns that I lead: what needs me, is under way, waits for staff, is over."""
    before = str(paging.after[0]) if paging.after else None

    def read(conn: Connection) -> Any:
        rows = campaigns.listed(
            conn, list(Status), leader_id=actor.person_id, before=before, limit=paging.fetch
        )
        return campaign_views.listed(conn, rows, actor.locale)

    shown, cursor = paging.cut(await parts.db.read(read), lambda one: [one.id])
    groups = {name: [one for one in shown if _group_of(one) == name] for name in _GROUPS}
    return page(request, "studio", actor, groups=groups, cursor=cursor, launches=actor.has(*LAUNCHERS))


def _group_of(campaign: CampaignSummary) -> str:
    if campaign.waiting_on is WaitingOn.LEADER and campaign.status not in ENDED:
        return "needs_me"
    return (
        "over"
        if campaign.status in ENDED
        else "with_staff"
        if campaign.status is Status.IN_REVIEW
        else "under_way"
    )


@router.get("/campaigns/new")
async def gallery(request: Request, actor: Launcher, parts: PartsDep) -> Response:
    """Show the templates."""
    return await _gallery(request, actor, parts, Form({"starts_on": _first_day().isoformat()}))


def _first_day() -> Any:
    return (datetime.now(UTC) + _LEAD).date()


async def _gallery(request: Request, actor: Actor, parts: Parts, form: Form, status: int = 200) -> Response:
    offered = await parts.db.read(campaign_templates.offered)
    return page(request, "studio_new", actor, status=status, templates=offered, form=form, once=new_id())


@router.post("/campaigns/new", openapi_extra=exempt("a repetition begins another draft, to be deleted"))
async def begin(request: Request, actor: Launcher, parts: PartsDep) -> Response:
    """Begin a draft from a template."""
    values = await typed(request)
    body = {name: values.get(name, "") for name in ("template", "starts_on")}
    given, form = checked(CampaignIn, body, actor.locale)
    if given is None:
        return await _gallery(request, actor, parts, Form(values, form.errors), 422)
    try:
        # Here the first day is chosen, and handing the draft in would be late to refuse it.
        campaign_id = await parts.db.write(
            lambda conn: campaign_drafts.create(conn, actor, given, datetime.now(UTC), to_come=True)
        )
    except Problem as problem:
        form = told(problem, values, actor.locale)
        return await _gallery(request, actor, parts, form, problem.status)
    return seen(f"/studio/campaigns/{campaign_id}", "campaign_begun")


@router.get("/campaigns/{campaign_id}")
async def show(request: Request, actor: Leader, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Show the editor of a draft, else where the campaign stands."""
    return await _show(request, actor, campaign_id, parts, Form())


async def _show(
    request: Request, actor: Actor, campaign_id: str, parts: Parts, form: Form, status: int = 200
) -> Response:
    def read(conn: Connection) -> Any:
        found = seen_by(conn, campaign_id, actor)
        return (
            found,
            campaign_views.metrics(conn, campaign_id),
            resting(conn, campaign_id),
            campaign_stories.of(conn, campaign_id),
        )

    campaign, numbers, rest, story = await parts.db.read(read)
    if campaign.editable:
        form = form if form.failed else Form(studio_plan.values_of(campaign))
        return _editor(request, actor, campaign, form, campaign.plan, story, status)
    return page(
        request,
        "studio_campaign",
        actor,
        status=status,
        here=f"/studio/campaigns/{campaign_id}",
        base=f"/studio/campaigns/{campaign_id}",
        c=campaign,
        numbers=numbers,
        days=numbers.days,
        plot=plot(numbers.days, rest),
        story=story,
        form=form,
        once=new_id(),
    )


def _editor(
    request: Request,
    actor: Actor,
    campaign: CampaignOut,
    form: Form,
    plan: CampaignPlan | None,
    story: Any,
    status: int = 200,
) -> Response:
    """Show the editor; ``plan`` is the one in the form, None while that is not one."""
    return page(
        request,
        "studio_editor",
        actor,
        status=status,
        here=f"/studio/campaigns/{campaign.id}",
        c=campaign,
        form=form,
        story=story,
        **studio_plan.estimate(plan),
        rows={name: studio_plan.rows_of(form.values, name) for name in studio_plan.ROWS},
        enrolments=list(Enrolment),
        modes=list(InvitationMode),
        boards=list(Board),
        proofs=list(Proof),
        once=new_id(),
    )


@router.post("/campaigns/{campaign_id}", openapi_extra=exempt("the edit version: one change"))
async def change(request: Request, actor: Leader, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Save the draft; with the other buttons also hand it in, or only count its rewards anew."""
    values = studio_plan.tidied(await typed(request, studio_plan.LISTS))
    action = values.pop("action", "save")
    changes = studio_plan.changes_of(values)
    given, form = checked(CampaignChanges, changes, actor.locale)
    form = Form(values, studio_plan.plan_errors(form.errors))
    if given is None or action == "estimate":
        status = 200 if given is not None else 422
        return await _again(request, actor, campaign_id, parts, form, studio_plan.plan_of(changes), status)
    try:
        version = int(values.get("edit_version", "0")[:9] or 0)
        await parts.db.write(lambda conn: _edit(conn, campaign_id, version, given) and None)
        if action == "submit":
            await service_of(parts).submit(actor, campaign_id, once_of(values))
    except Problem as problem:
        return await _refused(request, actor, campaign_id, parts, values, problem)
    return seen(
        f"/studio/campaigns/{campaign_id}", "campaign_submitted" if action == "submit" else "campaign_saved"
    )


def _edit(conn: Connection, campaign_id: str, version: int, given: CampaignChanges) -> int:
    try:
        return campaigns.edit(conn, campaign_id, version, given.words, given.plan, datetime.now(UTC))
    except Stale:
        raise Problem("edit_conflict") from None
    except NotEditable:
        raise Problem("campaign_not_editable") from None


async def _refused(
    request: Request,
    actor: Actor,
    campaign_id: str,
    parts: Parts,
    values: Mapping[str, Any],
    problem: Problem,
) -> Response:
    form = told(problem, values, actor.locale)
    # Saved it is, where the handing in was refused; after a conflict saving again is a choice.
    row = await parts.db.read(lambda conn: campaigns.get(conn, campaign_id))
    form.values = {**values, "edit_version": row.edit_version if row else 0}
    if problem.code == Refusal.STARTS_TOO_SOON.value:
        form.errors["starts_on"] = form.error
    for code in problem.values.get("warnings", ()):
        form.errors[f"warning-{PlanWarning(code).value}"] = form.error
    plan = studio_plan.plan_of(studio_plan.changes_of(values))
    return await _again(request, actor, campaign_id, parts, form, plan, problem.status)


async def _again(
    request: Request,
    actor: Actor,
    campaign_id: str,
    parts: Parts,
    form: Form,
    plan: CampaignPlan | None,
    status: int,
) -> Response:
    campaign, story = await parts.db.read(
        lambda conn: (seen_by(conn, campaign_id, actor), campaign_stories.of(conn, campaign_id))
    )
    if not campaign.editable:
        return await _show(request, actor, campaign_id, parts, form, status)
    return _editor(request, actor, campaign, form, plan, story, status)


@router.post("/campaigns/{campaign_id}/steps/{step}", openapi_extra=exempt("the hidden field: one step"))
async def steer(
    request: Request, actor: Leader, campaign_id: ObjectId, step: Step, parts: PartsDep
) -> Response:
    """Pause, resume, extend or cancel; a draft that was never handed in is deleted."""
    back = f"/studio/campaigns/{campaign_id}"
    return await steered(
        request,
        actor,
        campaign_id,
        parts,
        step,
        back,
        lambda form, status: _show(request, actor, campaign_id, parts, form, status),
    )


@router.get("/campaigns/{campaign_id}/report")
async def report(request: Request, actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Show what a settled campaign did for the community."""
    found, names, rest = await parts.db.read(lambda conn: _report(conn, campaign_id))
    return page(
        request,
        "studio_report",
        actor,
        report=found,
        growth=found.growth,
        funnel=funnel_plot(found.growth.steps) if found.growth else None,
        days=found.days,
        plot=plot(found.days, rest),
        c_id=campaign_id,
        names=names,
    )


def _report(conn: Connection, campaign_id: str) -> tuple[ReportOut, dict[str, str], frozenset[int]]:
    """Return the report, the names of those from whom its branches go out (as they are now), days of rest."""
    found = campaign_reports.read(conn, campaign_id)
    roots = [people.get(conn, one.person_id) for one in found.tree.branches] if found.tree else []
    names = {one.id: one.display_name for one in roots if one and one.status is PersonStatus.ACTIVE}
    return found, names, resting(conn, campaign_id)


@router.get("/campaigns/{campaign_id}/report.csv")
async def report_csv(actor: LeaderOrStaff, campaign_id: ObjectId, parts: PartsDep) -> Response:
    """Return the report as a table to keep."""
    found = await parts.db.read(lambda conn: campaign_reports.read(conn, campaign_id))
    return csv_answer(campaign_id, campaign_reports.as_csv(found))
