"""Decisions of the staff by form: reviews, the end of probation, appeals, violations."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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
from api.parts import Parts
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


@dataclass(frozen=True, slots=True)
class _Case:
    """One decision that was sent by form: by whom, and on which application."""

    request: Request
    actor: Actor
    application_id: str
    parts: Parts

    async def again(self, form: Form, status: int = 422) -> Response:
        """Show the application with the form as it was typed, and what is wrong with it."""
        return await staff_file.show(self.request, self.actor, self.application_id, self.parts, form, status)


async def _decided(
    case: _Case,
    values: dict[str, Any],
    model: type[Model],
    fields: Mapping[str, Any],
    order: Callable[[Model], Callable[[str], Awaitable[Any]]],
) -> Response:
    """Check what was typed, carry it out once, and answer as every form of the desk does.

    ``order`` makes of the checked model what sends it, given the key that makes it happen once.
    """
    locale = case.actor.locale
    given, form = checked(model, fields, locale)
    if given is None:
        if "decision" in form.errors:
            form.errors["decision"] = translate(locale, "page.staff.choose_decision")
        return await case.again(Form(values, form.errors))
    act = order(given)
    try:
        await act(once_of(values))
    except Problem as problem:
        if problem.code == "not_found":
            raise
        return await case.again(placed(problem, values, locale), problem.status)
    return seen(f"/staff/applications/{case.application_id}", f"decided_{values['form']}")


@router.post("/review", openapi_extra=exempt("the hidden field: one opinion"))
async def review(request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep) -> Response:
    """Give an opinion."""
    values = await typed(request, ("checklist", "registry", "reasons")) | {"form": "review"}
    vetting = vetting_of(parts)
    return await _decided(
        _Case(request, actor, application_id, parts),
        values,
        ReviewIn,
        read_review(values),
        lambda given: partial(vetting.review, actor, application_id, _judgement(given)),
    )


def _judgement(given: ReviewIn) -> Judgement:
    return Judgement(
        decision=given.decision,
        checklist=given.checklist,
        findings=tuple(ClaimFinding(**finding.model_dump()) for finding in given.findings),
        reasons=given.given_reasons,
        note=given.note or None,
    )


@router.post("/probation-decision", openapi_extra=exempt("the hidden field: one decision"))
async def decide_probation(
    request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep
) -> Response:
    """Confirm the recommendation at the end of probation, or depart from it with a note."""
    values = await typed(request) | {"form": "probation"}
    decide = vetting_of(parts).decide_probation
    return await _decided(
        _Case(request, actor, application_id, parts),
        values,
        ProbationDecisionIn,
        _decision(values),
        lambda given: partial(decide, actor, application_id, given.decision, given.note or None),
    )


@router.post("/appeal-decision", openapi_extra=exempt("the hidden field: one decision"))
async def decide_appeal(
    request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep
) -> Response:
    """Uphold the loss or overturn it."""
    values = await typed(request) | {"form": "appeal"}
    decide = vetting_of(parts).decide_appeal
    return await _decided(
        _Case(request, actor, application_id, parts),
        values,
        AppealDecisionIn,
        _decision(values),
        lambda given: partial(decide, actor, application_id, given.decision, given.note or None),
    )


def _decision(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"decision": values.get("decision", ""), "note": values.get("note", "")}


@router.post("/violations", openapi_extra=exempt("the hidden field: one report"))
async def violations(request: Request, actor: Staff, application_id: ObjectId, parts: PartsDep) -> Response:
    """Report a violation; moderators confirm or dismiss it."""
    values = await typed(request) | {"form": "violation"}
    service = ViolationService(parts.db, vetting_of(parts))

    def order(given: ViolationIn) -> Callable[[str], Awaitable[Any]]:
        if given.verdict is not Verdict.REPORTED:
            actor.require(*staff_file.DECIDING)
        return partial(service.settle, actor, application_id, _report(given))

    return await _decided(
        _Case(request, actor, application_id, parts),
        values,
        ViolationIn,
        _violation(values, actor.time_zone),
        order,
    )


def _report(given: ViolationIn) -> Report:
    return Report(
        kind=given.kind,
        verdict=given.verdict,
        occurred_at=given.occurred_at,
        note=given.note or None,
        violation_id=given.violation_id,
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
