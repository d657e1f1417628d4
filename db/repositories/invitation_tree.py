"""Who brought whom in a campaign, level by level: a page of a level is a run of one index.

A node is named by the id of its join, or by the id of somebody who came alone. Who severed the link, or
has no account any more, is a node without a name.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, case, exists, func, literal, null, select

from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.people import PersonStatus

MOST_BELOW: Final = 1_000
"""People below somebody who are counted at once; of a larger branch the report tells the size."""

_own = invitation_joins
_theirs = invitation_joins.alias("theirs")


def _friends(campaign_id: str, person: Any) -> Any:
    counted = select(func.count()).where(_theirs.c.campaign_id == campaign_id, _theirs.c.inviter_id == person)
    return counted.scalar_subquery().label("friends")


def _came_by_somebody(campaign_id: str) -> Select[Any]:
    shown = and_(_own.c.severed_at.is_(None), people.c.status == PersonStatus.ACTIVE.value)
    return (
        select(
            _own.c.id,
            _own.c.friend_id.label("person_id"),
            case((shown, people.c.display_name)).label("display_name"),
            _own.c.joined_at,
            _own.c.new_member,
            _own.c.status,
            _friends(campaign_id, _own.c.friend_id),
        )
        .join(people, people.c.id == _own.c.friend_id)
        .where(_own.c.campaign_id == campaign_id)
    )


def _came_alone(campaign_id: str) -> Select[Any]:
    active = people.c.status == PersonStatus.ACTIVE.value
    return select(
        people.c.id,
        people.c.id.label("person_id"),
        case((active, people.c.display_name)).label("display_name"),
        null().label("joined_at"),
        literal(False).label("new_member"),
        null().label("status"),
        _friends(campaign_id, people.c.id),
    ).where(~exists().where(_own.c.campaign_id == campaign_id, _own.c.friend_id == people.c.id))


def node(conn: Connection, row: Row[Any], node_id: str) -> Row[Any] | None:
    """Return one node of a campaign's tree, None if it has none of that id."""
    found = conn.execute(_came_by_somebody(row.id).where(_own.c.id == node_id)).one_or_none()
    if found is not None:
        return found
    alone = conn.execute(_came_alone(row.id).where(people.c.id == node_id)).one_or_none()
    return alone if alone is not None and alone.friends else None


def children(
    conn: Connection, row: Row[Any], person_id: str, after: str | None, limit: int
) -> list[Row[Any]]:
    """Return who came by somebody, in the order in which they joined, after the node ``after``."""
    found = _came_by_somebody(row.id).where(_own.c.inviter_id == person_id)
    if after is not None:
        found = found.where(_own.c.id > after)
    return list(conn.execute(found.order_by(_own.c.id).limit(limit)))


def roots(conn: Connection, row: Row[Any], after: str | None, limit: int) -> list[Row[Any]]:
    """Return who came by themselves and brought somebody, after the person ``after``."""
    brought = exists().where(_theirs.c.campaign_id == row.id, _theirs.c.friend_id == _own.c.inviter_id)
    inviters = select(_own.c.inviter_id).where(_own.c.campaign_id == row.id, ~brought)
    if after is not None:
        inviters = inviters.where(_own.c.inviter_id > after)
    page = inviters.group_by(_own.c.inviter_id).order_by(_own.c.inviter_id).limit(limit)
    ids = list(conn.execute(page).scalars())
    return list(conn.execute(_came_alone(row.id).where(people.c.id.in_(ids)).order_by(people.c.id)))


def joined(conn: Connection, campaign_id: str) -> int:
    """Return how many people came by somebody."""
    return conn.execute(select(func.count()).where(_own.c.campaign_id == campaign_id)).scalar_one()


def sizes(conn: Connection, campaign_id: str, person_ids: Sequence[str]) -> dict[str, int | None]:
    """Return how many people are below each, None where more than ``MOST_BELOW`` are."""
    found = {}
    for person_id in person_ids:
        below = (
            select(_own.c.friend_id)
            .where(_own.c.campaign_id == campaign_id, _own.c.inviter_id == person_id)
            .cte("below", recursive=True)
        )
        further = select(_theirs.c.friend_id).where(
            _theirs.c.campaign_id == campaign_id, _theirs.c.inviter_id == below.c.friend_id
        )
        first = select(below.union_all(further).c.friend_id).limit(MOST_BELOW + 1).subquery()
        number = conn.execute(select(func.count()).select_from(first)).scalar_one()
        found[person_id] = None if number > MOST_BELOW else number
    return found
