"""Points: one's own, and the pool that staff fill and watch."""

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.idempotency import Answer, OnceDep
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.schemas.points import DepositIn, DepositOut, MyPoints, PoolOut, ReversalIn, TransferOut
from api.security import allow
from api.security.gate import Actor
from api.services import points
from api.services.points import TREASURERS
from domain.ids import new_id
from domain.people import Role

router = APIRouter(prefix=PREFIX, tags=["points"])

Treasurer = Annotated[Actor, allow.roles(*TREASURERS)]
Admin = Annotated[Actor, allow.roles(Role.ADMIN)]


@router.get("/me/points", summary="My points")
async def mine(actor: Annotated[Actor, allow.signed_in], paging: PagingDep, db: DatabaseDep) -> MyPoints:
    """Return what I can spend, what still waits, and a page of what made it."""
    return await db.read(lambda conn: points.mine(conn, actor.person_id, paging))


@router.get("/staff/pool", summary="The resource pool")
async def pool(actor: Treasurer, db: DatabaseDep) -> PoolOut:
    """Return what is left in the pool, what is promised and paid, where it came from, and day by day."""
    return await db.read(points.overview)


@router.get("/staff/pool/deposits", summary="What came in")
async def deposits(actor: Treasurer, paging: PagingDep, db: DatabaseDep) -> Page[DepositOut]:
    """Return deposits and their reversals, newest first."""
    items, cursor = await db.read(lambda conn: points.deposits(conn, paging))
    return Page(items=items, next_cursor=cursor)


@router.post("/staff/pool/deposits", status_code=201, summary="Fill the pool", response_model=TransferOut)
async def deposit(actor: Treasurer, given: DepositIn, once: OnceDep) -> Response:
    """Put points of a sponsor or a course into the pool."""

    def effect(conn: Connection) -> Answer:
        return Answer(201, TransferOut(id=points.deposit(conn, actor, given, new_id())))

    return await once.write(actor.person_id, effect)


@router.post(
    "/staff/pool/transfers/{transfer_id}/reversal",
    status_code=201,
    summary="Undo a deposit or a payment",
    response_model=TransferOut,
)
async def reverse(actor: Admin, transfer_id: ObjectId, given: ReversalIn, once: OnceDep) -> Response:
    """Undo a deposit or a payment by a transfer of its own; nothing that was booked is changed."""

    def effect(conn: Connection) -> Answer:
        return Answer(201, TransferOut(id=points.reverse(conn, actor, transfer_id, given.note, new_id())))

    return await once.write(actor.person_id, effect)
