"""What invitations did for a campaign: its live figures, and the tree of who brought whom, level by level."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.pagination import Paging
from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.invitation_growth import GrowthOut, KFactorOut, NodeOut, StepOut, TreeFiguresOut, TreeOut
from api.services.campaigns import existing
from db.repositories import invitation_growth, invitation_tree
from domain.campaigns.growth import Growth, Tree
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.terms import ENDED, Status


def live(conn: Connection, campaign_id: str, now: datetime) -> GrowthOut:
    """Return the figures as they are now. Raises ``Problem``."""
    row = existing(conn, campaign_id)
    found = invitation_growth.so_far(conn, row, now, over=Status(row.status) in ENDED)
    return growth_out(found)


def growth_out(given: Growth) -> GrowthOut:
    """Return figures with their shares."""
    before = [None, *given.funnel.steps[:-1]]
    steps = [
        StepOut(
            **step.model_dump(),
            share=step.reached / last.reached if last is not None and last.reached else None,
        )
        for step, last in zip(given.funnel.steps, before, strict=True)
    ]
    k = given.k
    return GrowthOut(
        steps=steps,
        k=KFactorOut(
            value=k.value,
            invitations_each=k.invitations_each,
            conversion=k.conversion,
            **k.model_dump(),
        ),
        new=given.funnel.new,
        known=given.funnel.known,
        cohorts=list(given.funnel.cohorts),
    )


def tree_figures(given: Tree) -> TreeFiguresOut:
    """Return the figures of a whole tree."""
    return TreeFiguresOut(**given.model_dump())


def level(conn: Connection, campaign_id: str, parent: str | None, paging: Paging) -> TreeOut:
    """Return a page of who came by ``parent`` (a node's id), or of who came alone. Raises ``Problem``."""
    row = existing(conn, campaign_id)
    above = invitation_tree.node(conn, row, parent) if parent is not None else None
    if parent is not None and above is None:
        raise Problem("not_found")
    after = str(paging.after[0]) if paging.after else None
    if above is None:
        found = invitation_tree.roots(conn, row, after, paging.fetch)
    else:
        found = invitation_tree.children(conn, row, above.person_id, after, paging.fetch)
    shown, cursor = paging.cut(found, lambda one: (one.id,))
    sizes = invitation_tree.sizes(conn, campaign_id, [one.person_id for one in shown if one.friends])
    return TreeOut(
        parent=_node(above, {above.person_id: None}) if above is not None else None,
        items=[_node(one, sizes) for one in shown],
        next_cursor=cursor,
        participants=invitation_growth.participants(conn, campaign_id),
        invited=invitation_tree.joined(conn, campaign_id),
    )


def _node(row: Row[Any], sizes: dict[str, int | None]) -> NodeOut:
    named = row.display_name is not None
    return NodeOut(
        id=row.id,
        person=PersonOut(id=row.person_id, display_name=row.display_name) if named else None,
        joined_at=row.joined_at,
        new_member=bool(row.new_member),
        active=row.status == JoinStatus.ACTIVATED.value,
        friends=row.friends,
        below=sizes.get(row.person_id, 0),
    )
