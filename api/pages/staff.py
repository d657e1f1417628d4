"""The staff desk: what waits, who holds it and by when; taking an application up and putting it back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.inputs import OneLine
from api.pages import staff_file, staff_queue
from api.pages.applications import once_of, vetting_of
from api.pages.forms import Form, seen, told, typed
from api.pages.rendering import page, reader_of
from api.pagination import PagingDep
from api.problems import Problem
from api.routes.staff import Reviewer, Staff
from api.security import allow
from api.security.gate import Actor
from api.security.rules import Guard
from api.services.applications import VETTING_STAFF
from db.repositories import review_queue
from db.repositories.review_queue import QueuePlace
from domain.people import STAFF_ROLES
from domain.vetting.desk import Queue

router = APIRouter(prefix="/staff")

SHOWS: Final = ("all", "mine", "unclaimed", "escalated")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the queue's page shows, read at once."""

    actor: Actor
    rows: list[Any]
    counts: dict[Queue, int]


@router.get("")
async def queue(
    request: Request,
    guard: Annotated[Guard, allow.inside(allow.roles(*sorted(STAFF_ROLES)))],
    paging: PagingDep,
    kind: str = "",
    show: str = "all",
    q: Annotated[OneLine, Query(max_length=100)] = "",
) -> Response:
    """Show applications that wait, the earliest deadline first."""
    if (kind and kind not in set(Queue)) or show not in SHOWS:
        # An address of old, or mistyped: all that waits is there.
        return seen("/staff")
    chosen = Queue(kind) if kind else None

    def read(conn: Connection, actor: Actor) -> _Desk | None:
        if not actor.has(*VETTING_STAFF):
            return None
        rows = review_queue.queue(
            conn,
            kind=chosen,
            search=q or None,
            claimed_by=actor.person_id if show == "mine" else None,
            unclaimed=show == "unclaimed",
            escalated=show == "escalated",
            without_person=actor.person_id,
            after=_place(paging.after),
            limit=paging.fetch,
        )
        return _Desk(actor, list(rows), review_queue.counts(conn, actor.person_id))

    found = await guard.read(read)
    if found is None:
        # Staff of other rooms have the policy here, and nothing else.
        return seen("/staff/policy")
    shown, cursor = paging.cut(found.rows, lambda row: [row.deadline.isoformat(), row.id])
    reader = reader_of(request, found.actor)
    return page(
        request,
        "staff",
        found.actor,
        lines=[staff_queue.line(row, reader, found.actor.person_id) for row in shown],
        cursor=cursor,
        counts=found.counts,
        most=review_queue.MOST_COUNTED,
        queues=list(Queue),
        shows=SHOWS,
        kind=chosen,
        show=show,
        q=q,
        first=paging.after is None,
    )


def _place(after: list[Any] | None) -> QueuePlace | None:
    return None if after is None else QueuePlace(datetime.fromisoformat(after[0]), str(after[1]))


@router.get("/applications/{application_id}")
async def review(request: Request, actor: Staff, application_id: ObjectId, parts: PartsDep) -> Response:
    """Show everything that a decision rests on, and the decision that is due."""
    return await staff_file.show(request, actor, application_id, parts, Form())


@router.post("/applications/{application_id}/claim", openapi_extra=exempt("the hidden field: one hold"))
async def claim(request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep) -> Response:
    """Take an application to review."""
    vetting = vetting_of(parts)
    return await _moved(
        request, actor, application_id, parts, "claimed", lambda u: vetting.claim(actor, application_id, u)
    )


@router.post("/applications/{application_id}/release", openapi_extra=exempt("the hidden field: one release"))
async def release(request: Request, actor: Reviewer, application_id: ObjectId, parts: PartsDep) -> Response:
    """Give an application back to the queue."""
    vetting = vetting_of(parts)
    return await _moved(
        request, actor, application_id, parts, "released", lambda u: vetting.release(actor, application_id, u)
    )


@router.post("/applications/{application_id}/conflicts", openapi_extra=exempt("it stays declared"))
async def declare_conflict(
    request: Request, actor: Staff, application_id: ObjectId, parts: PartsDep
) -> Response:
    """Step aside for a conflict of interest."""
    vetting = vetting_of(parts)
    return await _moved(
        request,
        actor,
        application_id,
        parts,
        "stepped_aside",
        lambda u: vetting.declare_conflict(actor, application_id, u),
    )


async def _moved(
    request: Request,
    actor: Actor,
    application_id: str,
    parts: PartsDep,
    done: str,
    act: Callable[[str], Awaitable[Any]],
) -> Response:
    values = await typed(request)
    try:
        await act(once_of(values))
    except Problem as problem:
        form = told(problem, values, actor.locale)
        return await staff_file.show(request, actor, application_id, parts, form, problem.status)
    return seen(f"/staff/applications/{application_id}", done)
