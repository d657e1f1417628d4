"""Ballots: what is put to the vote, voting, results and receipts."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.direct import DirectRoute
from api.idempotency import exempt
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.schemas.ballots import (
    BallotOut,
    BallotSummary,
    Receipt,
    ReceiptOut,
    ReceiptsOut,
    ResultOut,
    VoteIn,
    VoteOut,
)
from api.security import allow
from api.security.gate import Actor
from api.security.rules import Guard
from api.services import ballots
from db.repositories import votes
from domain.ballots import BallotStatus

router = APIRouter(prefix=f"{PREFIX}/ballots", tags=["ballots"])
direct = APIRouter(prefix=router.prefix, tags=router.tags, route_class=DirectRoute)

Member = Annotated[Actor, allow.members]


@router.get("", summary="What is or was put to the vote")
async def listed(
    actor: Member, db: DatabaseDep, paging: PagingDep, status: Literal["open", "closed"] | None = None
) -> Page[BallotSummary]:
    """Return ballots, newest first, each with my own place on its roll."""
    rows = await db.read(
        lambda conn: votes.page(
            conn,
            actor.person_id,
            BallotStatus(status) if status else None,
            ballots.place_of(paging.after),
            paging.fetch,
        )
    )
    shown, cursor = paging.cut(rows, lambda row: [row.opens_at.isoformat(), row.id])
    return Page(items=[ballots.summary(row) for row in shown], next_cursor=cursor)


@router.get("/{ballot_id}", summary="A ballot and its candidate")
async def show(actor: Member, ballot_id: ObjectId, db: DatabaseDep) -> BallotOut:
    """Return who stands for what, until when, by which thresholds; no running totals."""
    return await db.read(lambda conn: ballots.whole(conn, ballot_id, actor.person_id))


@direct.post(
    "/{ballot_id}/votes",
    summary="Vote",
    status_code=201,
    response_model=VoteOut,
    openapi_extra=exempt("the nonce: the same vote is counted once"),
)
async def vote(
    guard: Annotated[Guard, allow.inside(allow.members)], ballot_id: ObjectId, given: VoteIn
) -> Response:
    """Cast a secret vote, once. Sent again with the same nonce and choice it answers the same receipt."""

    # An idempotency key would be stored beside person and receipt: the nonce does its work instead.
    receipt = await guard.write_together(ballots.cast_together, (ballot_id, given))
    return Response(f'{{"receipt":"{receipt}"}}', 201, media_type="application/json")


@router.get("/{ballot_id}/result", summary="The result")
async def result(actor: Member, ballot_id: ObjectId, db: DatabaseDep) -> ResultOut:
    """Return tally, quorum and outcome once the ballot is closed."""
    return await db.read(lambda conn: ballots.result(conn, ballot_id))


@router.get("/{ballot_id}/receipts", summary="Receipts of all counted votes")
async def receipts(actor: Member, ballot_id: ObjectId, db: DatabaseDep, paging: PagingDep) -> ReceiptsOut:
    """Return the receipts, sorted, once the ballot is closed: voters find their own among them."""
    after = str(paging.after[0]) if paging.after else ""
    found = await db.read(lambda conn: ballots.published_receipts(conn, ballot_id, after, paging.fetch))
    shown, cursor = paging.cut(found, lambda own: [own])
    return ReceiptsOut(items=shown, next_cursor=cursor)


@router.get("/{ballot_id}/receipts/{receipt}", summary="Is my vote in it")
async def receipt(
    actor: Member, ballot_id: ObjectId, receipt: Annotated[Receipt, Path()], db: DatabaseDep
) -> ReceiptOut:
    """Tell whether a vote with this receipt is in the ballot, and after the close that it was counted."""
    return await db.read(lambda conn: ballots.receipt(conn, ballot_id, receipt))
