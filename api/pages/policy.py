"""The policy editors: every number with its meaning, and what changed from version to version."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Generic, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.rendering import page
from api.parts import Parts
from api.problems import Problem
from api.routes.policies import Admin, add, check_server
from api.routes.staff import AnyStaff
from api.schemas.policies import CampaignPolicyIn, PolicyIn, VersionIn
from api.security.gate import Actor
from db.repositories import people
from db.repositories.policies import CAMPAIGNS, VETTING, Policies, PolicyVersion
from domain.people import Role
from domain.policy import VettingPolicy
from locales import translate

router = APIRouter()

P = TypeVar("P", bound=BaseModel)

OTHER: Final = "other"
"""The group of the numbers that stand in no group of their own."""

_MIB: Final = 1024 * 1024
_PERCENT: Final = frozenset(
    {
        "vote.quorum_share",
        "vote.approval_share",
        "probation.steady_weeks_share",
        "probation.answered_share",
    }
)
_MEBIBYTES: Final = "intake.max_file_bytes"
_LISTS: Final = frozenset({"review.changes_reminder_days", "reminder_hours"})


@dataclass(frozen=True, slots=True)
class Editor(Generic[P]):
    """What one policy is edited by: its versions, where its page is, and what a new version looks like."""

    kept: Policies[P]
    path: str
    given: type[VersionIn[P]]

    @property
    def defaults(self) -> P:
        """The policy as it is installed, whose numbers are those of the form."""
        return self.kept.model()


@dataclass(frozen=True, slots=True)
class Change:
    """What a version says otherwise than the one before, as both are written in the form."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the list: who wrote it, and what changed."""

    version: PolicyVersion[Any]
    author: str | None
    changes: list[Change]


def flat(policy: BaseModel) -> dict[str, Any]:
    """Return every number of ``policy`` by its dotted name, in the order of the model."""
    found: dict[str, Any] = {}
    for name, value in policy.model_dump(mode="json").items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": number for inner, number in value.items()}
        else:
            found[name] = value
    return found


def written(name: str, value: Any) -> str:
    """Return a number as it is typed: shares in percent, sizes in MiB, lists with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if name in _PERCENT:
        return _plain(Decimal(str(value)) * 100)
    if name == _MEBIBYTES:
        return _plain(Decimal(value) / _MIB)
    return _plain(Decimal(str(value)))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_policy(defaults: BaseModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a policy from the typed fields; what is no number stays for the model to refuse."""
    body: dict[str, Any] = {}
    for name in flat(defaults):
        group, _, inner = name.rpartition(".")
        place = body.setdefault(group, {}) if group else body
        place[inner] = _read(name, str(values.get(name, "")).strip())
    return body


def _read(name: str, text: str) -> Any:
    if name in _LISTS:
        return [
            part.strip() for part in text.replace("，", ",").replace("、", ",").split(",") if part.strip()
        ]
    if name not in _PERCENT and name != _MEBIBYTES:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number) > 10**9:
        return text
    return float(number / 100) if name in _PERCENT else int((number * _MIB).to_integral_value())


def changes(before: BaseModel, after: BaseModel) -> list[Change]:
    """Return what differs, in the order of the form."""
    old, new = flat(before), flat(after)
    return [
        Change(name, written(name, old[name]), written(name, value))
        for name, value in new.items()
        if old[name] != value
    ]


def _versions(conn: Connection, kept: Policies[Any]) -> list[Version]:
    history = kept.history(conn)
    earlier = [*history[1:], None]
    return [
        Version(
            version,
            _author(conn, version.created_by),
            changes(before.policy, version.policy) if before else [],
        )
        for version, before in zip(history, earlier, strict=True)
    ]


def _author(conn: Connection, person_id: str | None) -> str | None:
    person = people.get(conn, person_id) if person_id else None
    return person.display_name if person else None


async def _page(
    request: Request,
    actor: Actor,
    parts: Parts,
    editor: Editor[Any],
    form: Form | None = None,
    status: int = 200,
) -> Response:
    versions = await parts.db.read(lambda conn: _versions(conn, editor.kept))
    current = versions[0].version
    numbers = {name: written(name, value) for name, value in flat(current.policy).items()}
    return page(
        request,
        "policy",
        actor,
        status=status,
        here=editor.path,
        process=editor.kept.process,
        versions=versions,
        current=current,
        groups=_groups(numbers),
        form=form or Form(numbers),
        may_edit=actor.has(Role.ADMIN),
        percent=_PERCENT,
        lists=_LISTS,
    )


def _groups(numbers: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in numbers:
        groups.setdefault(name.rpartition(".")[0] or OTHER, []).append(name)
    return groups


async def _write(request: Request, actor: Actor, parts: Parts, editor: Editor[Any]) -> Response:
    values = await typed(request)
    body = {
        "expected_version": values.get("expected_version", ""),
        "body": read_policy(editor.defaults, values),
        "note": values.get("note", ""),
    }
    given, form = checked(editor.given, body, actor.locale)
    if given is None:
        wrong = Form(values, _by_name(form.errors, actor.locale))
        return await _page(request, actor, parts, editor, wrong, 422)
    try:
        if isinstance(given.body, VettingPolicy):
            check_server(given.body, parts.settings, actor.locale)
        await parts.db.write(lambda conn: add(conn, editor.kept, actor, given))
    except Problem as problem:
        form = told(problem, values, actor.locale)
        if form.errors:
            form = Form(values, _by_name(form.errors, actor.locale))
        return await _page(request, actor, parts, editor, form, problem.status)
    return seen(editor.path, f"policy_written_{editor.kept.process}")


VETTING_EDITOR: Final = Editor(VETTING, "/staff/policy", PolicyIn)
CAMPAIGN_EDITOR: Final = Editor(CAMPAIGNS, "/staff/campaign-policy", CampaignPolicyIn)
_ON_TOP: Final = "the version it was written on: nothing is written twice"


@router.get(VETTING_EDITOR.path)
async def show(request: Request, actor: AnyStaff, parts: PartsDep) -> Response:
    """Show the policy that the next application takes with it, and how it came to be."""
    return await _page(request, actor, parts, VETTING_EDITOR)


@router.post(VETTING_EDITOR.path, openapi_extra=exempt(_ON_TOP))
async def write(request: Request, actor: Admin, parts: PartsDep) -> Response:
    """Write a new version on top of the one that was shown."""
    return await _write(request, actor, parts, VETTING_EDITOR)


@router.get(CAMPAIGN_EDITOR.path)
async def show_campaigns(request: Request, actor: AnyStaff, parts: PartsDep) -> Response:
    """Show the policy that the next campaign handed in takes with it, and how it came to be."""
    return await _page(request, actor, parts, CAMPAIGN_EDITOR)


@router.post(CAMPAIGN_EDITOR.path, openapi_extra=exempt(_ON_TOP))
async def write_campaigns(request: Request, actor: Admin, parts: PartsDep) -> Response:
    """Write a new version on top of the one that was shown."""
    return await _write(request, actor, parts, CAMPAIGN_EDITOR)


def _by_name(errors: Mapping[str, str], locale: str) -> dict[str, str]:
    """Return errors by the name of a field of the form; a day of a list is told at the list."""
    found = {name.partition("[")[0].removeprefix("body."): message for name, message in errors.items()}
    for group in VettingPolicy.model_fields:
        # What a whole group contradicts itself in is told at its head, in the reader's language.
        if group in found and group in _CONTRADICTIONS:
            found[group] = translate(locale, f"page.policy.contradiction.{group}")
    return found


_CONTRADICTIONS: Final = frozenset({"review", "vote", "probation", "appeal"})
