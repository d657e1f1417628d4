"""Who brought whom in a campaign, for its leader and staff."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import DatabaseDep, ObjectId
from api.pagination import PagingDep
from api.paths import PREFIX
from api.routes.campaigns import LeaderOrStaff
from api.schemas.invitation_growth import TreeOut
from api.services import invitation_growth

router = APIRouter(prefix=f"{PREFIX}/campaigns/{{campaign_id}}", tags=["invitations"])

NodeId = Annotated[str | None, Query(min_length=36, max_length=36, pattern="^[0-9a-f-]+$")]


@router.get("/invitations/tree", summary="Who brought whom")
async def tree(
    actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep, paging: PagingDep, parent: NodeId = None
) -> TreeOut:
    """Return one level of the tree: who came by the node ``parent``, or who came alone and brought somebody.

    Who severed the link to the inviter is there without a name.
    """
    return await db.read(lambda conn: invitation_growth.level(conn, campaign_id, parent, paging))
