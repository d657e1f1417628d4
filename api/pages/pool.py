"""«My points», and the staff's pool: what is in it, what is promised, where it came from; filling it."""

from typing import Annotated, Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.applications import once_of
from api.pages.forms import Form, checked, seen, told, typed
from api.pages.pool_plot import plot, plot_of_sources
from api.pages.rendering import page
from api.pagination import Paging, PagingDep
from api.parts import Parts
from api.problems import Problem
from api.routes.points import Admin, Treasurer
from api.schemas.points import DepositIn, DepositOut, PoolOut, ReversalIn
from api.security import allow
from api.security.gate import Actor
from api.services import points
from domain.ids import new_id
from domain.people import Role
from domain.points import Source

router = APIRouter()

_POOL = "/staff/pool"


@router.get("/points")
async def mine(
    request: Request, actor: Annotated[Actor, allow.signed_in], paging: PagingDep, parts: PartsDep
) -> Response:
    """Show what I have, and what each entry was for."""
    found = await parts.db.read(lambda conn: points.mine(conn, actor.person_id, paging))
    return page(request, "points", actor, points=found, first=paging.after is None)


@router.get(_POOL)
async def show(request: Request, actor: Treasurer, paging: PagingDep, parts: PartsDep) -> Response:
    """Show the pool, and what came in."""
    return await _page(request, actor, paging, parts, Form())


async def _page(
    request: Request, actor: Actor, paging: Paging, parts: Parts, form: Form, status: int = 200
) -> Response:
    def read(conn: Connection) -> tuple[PoolOut, list[DepositOut], str | None]:
        return points.overview(conn), *points.deposits(conn, paging)

    pool, deposits, cursor = await parts.db.read(read)
    values: dict[str, Any] = {"once": new_id(), **form.values}
    return page(
        request,
        "pool",
        actor,
        status=status,
        here=_POOL,
        pool=pool,
        deposits=deposits,
        cursor=cursor,
        first=paging.after is None,
        plot=plot(pool.days),
        plot_of_sources=plot_of_sources(pool.days),
        sources=list(Source),
        form=Form(values, form.errors, form.error),
        may_reverse=actor.has(Role.ADMIN),
    )


@router.post(f"{_POOL}/deposits", openapi_extra=exempt("the hidden field: one deposit"))
async def deposit(request: Request, actor: Treasurer, paging: PagingDep, parts: PartsDep) -> Response:
    """Put points into the pool."""
    values = await typed(request)
    once = once_of(values)
    body = {name: values[name] for name in DepositIn.model_fields if name in values}
    given, form = checked(DepositIn, body, actor.locale)
    if given is not None:
        try:
            await parts.db.write(lambda conn: points.deposit(conn, actor, given, once))
        except Problem as problem:
            # The button was pressed, then other numbers were sent under the same name: ask again afresh.
            return await _page(
                request, actor, paging, parts, told(problem, body, actor.locale), problem.status
            )
        return seen(_POOL, "pool_filled")
    return await _page(request, actor, paging, parts, Form({**values, "once": once}, form.errors), 422)


@router.post(f"{_POOL}/transfers/{{transfer_id}}/reversal", openapi_extra=exempt("it stays reversed"))
async def reverse(
    request: Request, actor: Admin, transfer_id: ObjectId, paging: PagingDep, parts: PartsDep
) -> Response:
    """Undo a deposit."""
    values = await typed(request)
    given, form = checked(ReversalIn, {"note": values.get("why", "")}, actor.locale)
    if given is None:
        errors = {"why": form.errors.get("note", ""), "transfer": transfer_id}
        return await _page(request, actor, paging, parts, Form({}, errors), 422)
    try:
        await parts.db.write(
            lambda conn: points.reverse(conn, actor, transfer_id, given.note, once_of(values))
        )
    except Problem as problem:
        if problem.code == "not_found":
            raise
        return await _page(request, actor, paging, parts, told(problem, {}, actor.locale), problem.status)
    return seen(_POOL, "transfer_reversed")
