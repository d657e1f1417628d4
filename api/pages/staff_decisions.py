"""Decisions of the staff by form: reviews, the end of probation, appeals, violations."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages import staff_file
from api.pages.applications import once_of, vetting_of
from api.pages.forms import Form, Model, checked, seen, told, typed
from api.problems import Problem
from api.routes.staff import Reviewer, Staff
from api.schemas.staff import AppealDecisionIn, ProbationDecisionIn, ReviewIn, ViolationIn
from api.security.gate import Actor
from api.services.vetting import Judgement
from api.services.violations import Report, ViolationService
from domain.credentials import ClaimFinding
from domain.vetting import ChecklistItem, Refusal
from domain.vetting.desk import Verdict
from locales import translate

router = APIRouter(prefix="/staff/applications/{application_id}")

# Where on the form a refusal of the process belongs.
_PLACES: Final = {
    Refusal.REASONS_REQUIRED.value: "reasons",
    Refusal.CHECKLIST_INCOMPLETE.value: "checklist",
    Refusal.CLAIMS_UNDECIDED.value: "findings",
    Refusal.NO_VERIFIED_CLAIM.value: "findings",
    Refusal.STRICT_CHECK_REQUIRED.value: "findings",
    Refusal.NOTE_REQUIRED.value: "note",
    Refusal.ALREADY_EXTENDED.value: "decision",
    "occurred_in_future": "occurred_at",
}
_VERDICT: Final = "verdict-"


def placed(problem: Problem, values: Mapping[str, Any], locale: str) -> Form:
    """Return the form with a refusal told next to what it is about: a field, and the claims it names."""
    form = told(problem, values, locale)
    field = _PLACES.get(problem.code)
    if field is not None:
        form.errors[field] = form.error
        for claim_id in problem.values.get("claims", ()):
            form.errors[f"{_VERDICT}{claim_id}"] = form.error
    return form


def read_review(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the review's form as the JSON API takes them."""
    registers = set(values.get("registry", ()))
    findings = [
        {"claim_id": claim_id, "verdict": verdict, "registry_checked": claim_id in registers}
        for name, verdict in values.items()
        if (claim_id := name.removeprefix(_VERDICT)) != name and verdict
    ]
    ticked = set(values.get("checklist", ()))
    return {
        "decision": values.get("decision", ""),
        "checklist": {item.value: item.value in ticked for item in ChecklistItem},
        "findings": findings,
        "reasons": values.get("reasons", []),
        "note": values.get("note", ""),
    }


def _judged(model: type[Model], values: Mapping[str, Any], locale: str) -> tuple[Model | None, Form]:
    given, form = checked(model, values, locale)
    if "decision" in form.errors:
        form.errors["decision"] = translate(locale, "page.staff.choose_decision")
    return given, form


@router.post("/review", openapi_extra=exempt("the hidden field: one opinion"))
async def review(request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep) -> Response:
    """Give an opinion."""
    values = await typed(request, ("checklist", "registry", "reasons")) | {"form": "review"}
    given, form = _judged(ReviewIn, read_review(values), actor.locale)
    if given is None:
        return await _again(request, actor, application_id, parts, Form(values, form.errors))
    judgement = Judgement(
        decision=given.decision,
        checklist=given.checklist,
        findings=tuple(ClaimFinding(**finding.model_dump()) for finding in given.findings),
        reasons=given.given_reasons,
        note=given.note or None,
    )
    vetting = vetting_of(parts)
    return await _decided(
        request,
        actor,
        application_id,
        parts,
        values,
        lambda u: vetting.review(actor, application_id, judgement, u),
    )


@router.post("/probation-decision", openapi_extra=exempt("the hidden field: one decision"))
async def decide_probation(
    request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep
) -> Response:
    """Confirm the recommendation at the end of probation, or depart from it with a note."""
    values = await typed(request) | {"form": "probation"}
    given, form = _judged(ProbationDecisionIn, _decision(values), actor.locale)
    if given is None:
        return await _again(request, actor, application_id, parts, Form(values, form.errors))
    vetting, note = vetting_of(parts), given.note or None
    return await _decided(
        request,
        actor,
        application_id,
        parts,
        values,
        lambda u: vetting.decide_probation(actor, application_id, given.decision, note, u),
    )


@router.post("/appeal-decision", openapi_extra=exempt("the hidden field: one decision"))
async def decide_appeal(
    request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep
) -> Response:
    """Uphold the loss or overturn it."""
    values = await typed(request) | {"form": "appeal"}
    given, form = _judged(AppealDecisionIn, _decision(values), actor.locale)
    if given is None:
        return await _again(request, actor, application_id, parts, Form(values, form.errors))
    vetting, note = vetting_of(parts), given.note or None
    return await _decided(
        request,
        actor,
        application_id,
        parts,
        values,
        lambda u: vetting.decide_appeal(actor, application_id, given.decision, note, u),
    )


def _decision(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"decision": values.get("decision", ""), "note": values.get("note", "")}


@router.post("/violations", openapi_extra=exempt("the hidden field: one report"))
async def violations(request: Request, actor: Staff, application_id: ObjectId, parts: PartsDep) -> Response:
    """Report a violation; moderators confirm or dismiss it."""
    values = await typed(request) | {"form": "violation"}
    given, form = checked(ViolationIn, _violation(values, actor.time_zone), actor.locale)
    if given is None:
        return await _again(request, actor, application_id, parts, Form(values, form.errors))
    if given.verdict is not Verdict.REPORTED:
        actor.require(*staff_file.DECIDING)
    report = Report(
        kind=given.kind,
        verdict=given.verdict,
        occurred_at=given.occurred_at,
        note=given.note or None,
        violation_id=given.violation_id,
    )
    service = ViolationService(parts.db, vetting_of(parts))
    return await _decided(
        request,
        actor,
        application_id,
        parts,
        values,
        lambda u: service.settle(actor, application_id, report, u),
    )


def _violation(values: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    """Return the form as the JSON API takes it; a time without a zone is meant in the reader's."""
    given = {name: values[name] for name in ("kind", "verdict", "note", "violation_id") if values.get(name)}
    typed_at = values.get("occurred_at")
    if typed_at:
        given["occurred_at"] = typed_at
        with contextlib.suppress(ValueError):
            given["occurred_at"] = datetime.fromisoformat(typed_at).replace(tzinfo=ZoneInfo(time_zone))
    return given


async def _again(
    request: Request, actor: Actor, application_id: str, parts: PartsDep, form: Form, status: int = 422
) -> Response:
    return await staff_file.show(request, actor, application_id, parts, form, status)


async def _decided(
    request: Request,
    actor: Actor,
    application_id: str,
    parts: PartsDep,
    values: dict[str, Any],
    act: Callable[[str], Awaitable[Any]],
) -> Response:
    try:
        await act(once_of(values))
    except Problem as problem:
        if problem.code == "not_found":
            raise
        form = placed(problem, values, actor.locale)
        return await _again(request, actor, application_id, parts, form, problem.status)
    return seen(f"/staff/applications/{application_id}", f"decided_{values['form']}")
