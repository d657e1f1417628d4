"""The templates of campaigns as staff edit them: plan and texts, a template of their own, retiring one."""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages import studio_plan
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.parts import Parts
from api.problems import Problem, field_problem
from api.routes.campaign_templates import Code
from api.routes.campaigns import Manager
from api.schemas.campaign_templates import TemplateIn, TemplateOut, TemplatePlan
from api.schemas.campaigns import TEMPLATE_CODE
from api.security.gate import Actor
from api.services import campaign_templates as templates
from domain.campaigns.plan import Board, CampaignPlan, Enrolment, InvitationMode, Proof
from domain.people import LOCALES
from locales import translate

router = APIRouter(prefix="/staff/templates")

NEW: Final = "new"
_ON_TOP: Final = "the version it was written on: nothing is written twice"


@router.get("")
async def listed(request: Request, actor: Manager, parts: PartsDep) -> Response:
    """Show all templates, retired ones too."""
    return page(request, "staff_templates", actor, templates=await parts.db.read(templates.every))


@router.get("/{code}")
async def show(request: Request, actor: Manager, code: Code, parts: PartsDep) -> Response:
    """Show the editor of a template; ``new`` is an empty one."""
    return await _editor(request, actor, code, parts)


async def _editor(
    request: Request,
    actor: Actor,
    code: str,
    parts: Parts,
    form: Form | None = None,
    plan: CampaignPlan | None = None,
    status: int = 200,
) -> Response:
    """Show the editor: the template as it is, or ``form`` with the ``plan`` in it (None: that is not one)."""

    def read(conn: Connection) -> Any:
        return (None, []) if code == NEW else (templates.existing(conn, code), templates.versions(conn, code))

    found, versions = await parts.db.read(read)
    shown = form or Form(_values(found))
    if form is None:
        plan = found.plan if found else TemplatePlan()
    return page(
        request,
        "staff_template",
        actor,
        status=status,
        here="/staff/templates",
        code=code,
        template=found,
        versions=versions,
        form=shown,
        **studio_plan.estimate(plan),
        rows={name: studio_plan.rows_of(shown.values, name) for name in studio_plan.ROWS},
        enrolments=list(Enrolment),
        modes=list(InvitationMode),
        boards=list(Board),
        proofs=list(Proof),
        languages=LOCALES,
        dated=False,
    )


def _values(found: TemplateOut | None) -> dict[str, Any]:
    values: dict[str, Any] = {"expected_version": found.version if found else 0}
    for locale in LOCALES if found else ():
        words = found.texts[locale].model_dump() if found else {}
        values |= {f"texts.{locale}.{name}": text for name, text in words.items()}
    return values | studio_plan.plan_values(found.plan if found else TemplatePlan())


@router.post("/{code}", openapi_extra=exempt(_ON_TOP))
async def change(request: Request, actor: Manager, code: Code, parts: PartsDep) -> Response:
    """Write a new version, retire it or offer it again; or only count its rewards anew."""
    values = studio_plan.tidied(await typed(request, studio_plan.LISTS))
    action = values.pop("action", "save")
    body = _body(values, retired=action == "retire")
    given, form = checked(TemplateIn, body, actor.locale)
    form = Form(values, studio_plan.plan_errors(form.errors))
    if given is None or action == "estimate":
        status = 422 if given is None else 200
        return await _editor(
            request, actor, code, parts, form, studio_plan.plan_of(body, TemplatePlan), status
        )
    try:
        named = _named(code, values, actor.locale)
        version = int(values.get("expected_version", "0")[:9] or 0)
        await parts.db.write(lambda conn: _write(conn, actor, code, named, version, given))
    except (Problem, ValueError) as error:
        problem = error if isinstance(error, Problem) else Problem("edit_conflict")
        if problem.code == "edit_conflict" and code != NEW:
            # Saving again is a choice, on top of what is there now.
            found = await parts.db.read(lambda conn: templates.existing(conn, code))
            values = {**values, "expected_version": found.version}
        form = told(problem, values, actor.locale)
        return await _editor(request, actor, code, parts, form, given.plan, problem.status)
    return seen(f"/staff/templates/{named}", f"template_{action if action == 'retire' else 'saved'}")


def _write(conn: Connection, actor: Actor, code: str, named: str, version: int, given: TemplateIn) -> None:
    # One that is shipped and was never changed has version 0, as a new one has.
    if code == NEW and templates.find(conn, named) is not None:
        raise field_problem("code", "template_taken", translate(actor.locale, "field.template_taken"))
    templates.write(conn, actor, named, version, given)


def _named(code: str, values: Mapping[str, Any], locale: str) -> str:
    """Return the code of the template, which a new one is given in the form. Raises ``Problem``."""
    if code != NEW:
        return code
    chosen = str(values.get("code", "")).strip()
    if chosen == NEW or not re.fullmatch(TEMPLATE_CODE, chosen):
        raise field_problem("code", "template_code", translate(locale, "field.template_code"))
    return chosen


def _body(values: Mapping[str, Any], retired: bool) -> dict[str, Any]:
    names = ("title", "summary", "description", "task")
    texts = {locale: {name: values.get(f"texts.{locale}.{name}", "") for name in names} for locale in LOCALES}
    plan = studio_plan.plan_changes(values)
    return {"texts": texts, "plan": plan, "retired": retired, "note": values.get("note", "")}


@router.post("/{code}/restore", openapi_extra=exempt(_ON_TOP))
async def restore(
    request: Request,
    actor: Manager,
    code: Code,
    parts: PartsDep,
) -> Response:
    """Make a template that is shipped what it was."""
    values = await typed(request)
    try:
        version = int(values.get("expected_version", "0")[:9] or 0)
        await parts.db.write(lambda conn: templates.restore(conn, actor, code, version) and None)
    except (Problem, ValueError) as error:
        problem = error if isinstance(error, Problem) else Problem("edit_conflict")
        if problem.code == "not_found":
            raise problem from None
        found = await parts.db.read(lambda conn: templates.existing(conn, code))
        form = told(problem, _values(found), actor.locale)
        return await _editor(request, actor, code, parts, form, found.plan, problem.status)
    return seen(f"/staff/templates/{code}", "template_restored")
