"""The voter's pages: what is put to the vote, the ballot, the receipt, the result."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.idempotency import exempt
from api.pages.forms import Form, checked, told, typed
from api.pages.rendering import page
from api.pages.visitors import visitor
from api.pagination import PagingDep
from api.problems import Problem
from api.schemas.ballots import BallotOut, Receipt, ReceiptOut, ResultOut, VoteIn
from api.security import allow
from api.security.gate import Actor
from api.services import ballots
from db.repositories import votes
from domain.ballots import BallotStatus

router = APIRouter(prefix="/ballots")

Member = Annotated[Actor, allow.members]
_RECEIPT: TypeAdapter[str] = TypeAdapter(Receipt)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A ballot as its page shows it; the result once it is closed."""

    ballot: BallotOut
    result: ResultOut | None


@router.get("", dependencies=[allow.anyone])
async def listed(request: Request, parts: PartsDep, paging: PagingDep) -> Response:
    """Show what is and was put to the vote, newest first."""
    actor = await visitor(request)
    before = ballots.place_of(paging.after)
    rows = await parts.db.read(
        lambda conn: votes.page(conn, actor.person_id if actor else "", None, before, paging.fetch)
    )
    shown, cursor = paging.cut(rows, lambda row: [row.opens_at.isoformat(), row.id])
    return page(request, "ballots", actor, ballots=[ballots.summary(row) for row in shown], cursor=cursor)


def _read(conn: Connection, ballot_id: str, actor: Actor) -> _Shown:
    ballot = ballots.whole(conn, ballot_id, actor.person_id)
    closed = ballot.status is BallotStatus.CLOSED
    return _Shown(ballot, ballots.result(conn, ballot_id) if closed else None)


@router.get("/{ballot_id}")
async def show(request: Request, actor: Member, ballot_id: ObjectId, parts: PartsDep) -> Response:
    """Show the candidate, what the vote decides and how long there is; the result after the close."""
    shown = await parts.db.read(lambda conn: _read(conn, ballot_id, actor))
    return _page(request, actor, shown)


def _page(request: Request, actor: Actor, shown: _Shown, status: int = 200, **more: Any) -> Response:
    context: dict[str, Any] = {"form": Form(), "receipt": None, "checked": None}
    return page(
        request,
        "ballot",
        actor,
        status=status,
        ballot=shown.ballot,
        result=shown.result,
        # The page makes the voter's secret where scripts run, and this one serves where they do not.
        nonce=secrets.token_urlsafe(24),
        **(context | more),
    )


@router.post("/{ballot_id}/votes", openapi_extra=exempt("the nonce: the same vote is counted once"))
async def vote(request: Request, actor: Member, ballot_id: ObjectId, parts: PartsDep) -> Response:
    """Cast the vote and show its receipt, which is not kept: sent again, the same page comes back."""
    values = await typed(request)
    given, form = checked(VoteIn, {k: values.get(k, "") for k in ("choice", "nonce")}, actor.locale)
    receipt = None
    if given is not None:
        try:
            receipt = await parts.db.write(lambda conn: ballots.cast(conn, ballot_id, actor.person_id, given))
        except Problem as problem:
            form = told(problem, {}, actor.locale)
    shown = await parts.db.read(lambda conn: _read(conn, ballot_id, actor))
    return _page(request, actor, shown, 422 if form.failed else 200, form=form, receipt=receipt)


@router.get("/{ballot_id}/receipts")
async def receipts(
    request: Request, actor: Member, ballot_id: ObjectId, parts: PartsDep, paging: PagingDep
) -> Response:
    """Show the receipts of all counted votes, sorted."""
    after = str(paging.after[0]) if paging.after else ""

    def read(conn: Connection) -> tuple[_Shown, list[str]]:
        found = ballots.published_receipts(conn, ballot_id, after, paging.fetch)
        return _read(conn, ballot_id, actor), found

    shown, found = await parts.db.read(read)
    items, cursor = paging.cut(found, lambda own: [own])
    return page(request, "receipts", actor, ballot=shown.ballot, receipts=items, cursor=cursor)


@router.post("/{ballot_id}/check", openapi_extra=exempt("it changes nothing"))
async def check(request: Request, actor: Member, ballot_id: ObjectId, parts: PartsDep) -> Response:
    """Look a receipt up. Posted, so that it does not end in addresses and logs."""
    own = (await typed(request)).get("receipt", "").strip().upper()
    shown = await parts.db.read(lambda conn: _read(conn, ballot_id, actor))
    try:
        _RECEIPT.validate_python(own)
    except ValidationError:
        answer = ReceiptOut(receipt=own[:40], present=False, counted=None)
    else:
        answer = await parts.db.read(lambda conn: ballots.receipt(conn, ballot_id, own))
    return _page(request, actor, shown, checked=answer)
