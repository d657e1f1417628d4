"""Who brought whom in a campaign, and what invitations did, for its leader and staff."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.pages.campaigns import seen_by
from api.pages.invitations_plot import plot
from api.pages.rendering import page
from api.pagination import Paging, PagingDep
from api.routes.campaigns import LeaderOrStaff
from api.routes.invitation_growth import NodeId
from api.schemas.invitation_growth import NodeOut
from api.services import invitation_growth

router = APIRouter(prefix="/studio/campaigns/{campaign_id}")

_SHOWN_BELOW: Final = 10


@router.get("/invitations")
async def show(
    request: Request,
    actor: LeaderOrStaff,
    campaign_id: ObjectId,
    parts: PartsDep,
    paging: PagingDep,
    parent: NodeId = None,
) -> Response:
    """Show the figures and one level of the tree, each of it with who came by it."""

    def read(conn: Connection) -> Any:
        campaign = seen_by(conn, campaign_id, actor)
        growth = invitation_growth.live(conn, campaign_id, datetime.now(UTC))
        found = invitation_growth.level(conn, campaign_id, parent, paging)
        return campaign, growth, found, _below(conn, campaign_id, found.items, paging)

    campaign, growth, found, below = await parts.db.read(read)
    return page(
        request,
        "invitations/tree",
        actor,
        c=campaign,
        growth=growth,
        funnel=plot(growth.steps),
        tree=found,
        below=below,
        first=paging.after is None,
    )


def _below(
    conn: Connection, campaign_id: str, items: list[NodeOut], paging: Paging
) -> dict[str, list[NodeOut]]:
    """Return the first of those who came by each."""
    few = paging.first(_SHOWN_BELOW)
    return {
        node.id: invitation_growth.level(conn, campaign_id, node.id, few).items
        for node in items
        if node.friends
    }
