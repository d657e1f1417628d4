"""One application as the desk shows it: all that a decision rests on, and which decision is whose."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.pages import probation_plots, stages
from api.pages.forms import Form
from api.pages.rendering import page
from api.parts import Parts
from api.routes.staff import REVIEWERS
from api.schemas.applications import ApplicationOut, EntryOut
from api.schemas.staff import EarlierApplication, ReviewsOut, ViolationOut
from api.security.gate import Actor
from api.services import applications as reading
from api.services import desk
from api.services.vetting import LEADS
from contracts.base import application_process_id
from db.repositories import people, review_desk
from domain.ids import new_id
from domain.people import ConflictKind, Role
from domain.vetting import REVIEW_REASONS, ChecklistItem, ReasonCode, Stage
from domain.vetting.desk import ViolationKind
from domain.vetting.terms import REVIEW_STAGES
from settings import Settings

DECIDING = (Role.MODERATOR, Role.ADMIN)
"""Who confirms and dismisses violations."""


@dataclass(frozen=True, slots=True)
class File:
    """An application with everything beside it, as one of the staff may see it."""

    whole: ApplicationOut
    entries: list[EntryOut]
    reviews: ReviewsOut
    earlier: list[EarlierApplication]
    violations: list[ViolationOut]
    holder: str | None
    conflict: ConflictKind | None
    has_decided: bool


def read(conn: Connection, application_id: str, actor: Actor) -> File:
    """Read it. Raises ``Problem``, also for somebody's own application."""
    row = desk.not_own(conn, actor, application_id)
    holder = people.get(conn, row.claimed_by) if row.claimed_by else None
    return File(
        whole=reading.whole(conn, application_id, actor),
        entries=reading.timeline(conn, application_id, actor),
        reviews=desk.reviews(conn, row, actor),
        earlier=desk.earlier(conn, application_id),
        violations=desk.violations(conn, application_id),
        holder=holder.display_name if holder else None,
        conflict=people.conflict_between(conn, actor.person_id, row.person_id),
        has_decided=review_desk.has_decided(conn, application_id, actor.person_id),
    )


def due(stage: Stage) -> str:
    """Return which decision ``stage`` waits for: ``review``, ``probation``, ``appeal`` or none."""
    if stage in REVIEW_STAGES:
        return "review"
    return {Stage.PROBATION_DECISION: "probation", Stage.APPEAL_REVIEW: "appeal"}.get(stage, "")


def hindrance(file: File, actor: Actor) -> str:
    """Return why the decision that is due is not this person's to make; empty if it is.

    The process decides in the end; this only spares people a form that it would refuse.
    """
    whole = file.whole
    if not actor.has(*REVIEWERS):
        return "role"
    if file.conflict is not None:
        return "conflict"
    if due(whole.stage) == "review":
        return _review_hindrance(file, actor)
    if due(whole.stage) == "appeal" and file.has_decided:
        return "decided_before"
    return ""


def _review_hindrance(file: File, actor: Actor) -> str:
    whole = file.whole
    given = any(one.round == whole.round and one.reviewer.id == actor.person_id for one in file.reviews.items)
    if given:
        return "given"
    if whole.stage is Stage.LEAD_REVIEW and not actor.has(*LEADS):
        return "lead"
    return "held" if _held_by_other(whole, actor) else ""


def _held_by_other(whole: ApplicationOut, actor: Actor) -> bool:
    holder = whole.staff.claimed_by if whole.staff else None
    return holder not in (None, actor.person_id)


async def show(
    request: Request,
    actor: Actor,
    application_id: str,
    parts: Parts,
    form: Form,
    status: int = 200,
) -> Response:
    """Return the page; ``form`` is what was typed and refused before, to be put right."""
    file = await parts.db.read(lambda conn: read(conn, application_id, actor))
    return page(
        request,
        "staff_application",
        actor,
        status=status,
        here=f"/staff/applications/{application_id}",
        file=file,
        a=file.whole,
        entries=file.entries,
        line=stages.line(file.whole),
        plots=probation_plots.plots(file.whole),
        due=due(file.whole.stage),
        hindrance=hindrance(file, actor),
        held_by_other=_held_by_other(file.whole, actor),
        may_review=actor.has(*REVIEWERS),
        may_release=actor.has(*LEADS) or not _held_by_other(file.whole, actor),
        may_settle=actor.has(*DECIDING) and file.conflict is None,
        checklist=list(ChecklistItem),
        reasons=[reason for reason in ReasonCode if reason in REVIEW_REASONS],
        kinds=list(ViolationKind),
        process=process_link(parts.settings, application_id),
        form=form,
        # A request whose outcome is unknown is sent again as the same one.
        once=_once(form, status),
    )


def _once(form: Form, status: int) -> str:
    sent: Any = form.values.get("once")
    return str(sent)[:36] if status >= 500 and sent else new_id()


def process_link(settings: Settings, application_id: str) -> str:
    """Return where Temporal's web interface shows the process; empty without one."""
    if not settings.temporal_ui_url:
        return ""
    process = application_process_id(application_id).replace("/", "%2F")
    base = settings.temporal_ui_url.rstrip("/")
    return f"{base}/namespaces/{settings.temporal_namespace}/workflows/{process}"
