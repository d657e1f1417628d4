"""The public list of certified leaders."""

from fastapi import APIRouter

from api.dependencies import DatabaseDep
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.schemas.ballots import LeaderOut
from api.security import allow
from api.services import leaders

router = APIRouter(prefix=PREFIX, tags=["leaders"], dependencies=[allow.anyone])


@router.get("/leaders", summary="Certified leaders")
async def listed(db: DatabaseDep, paging: PagingDep) -> Page[LeaderOut]:
    """Return the certified leaders and the topics in which their credentials hold today."""
    found = await db.read(lambda conn: leaders.certified(conn, paging.after, paging.fetch))
    shown, cursor = paging.cut(found, leaders.place_of)
    return Page(items=[leaders.out(one) for one in shown], next_cursor=cursor)
