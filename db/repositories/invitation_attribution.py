"""Who joined by whose invitation, who sees that, and how it is cut.

The first join of a friend to a campaign decides for good: it is one row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from db.repositories import invitation_doubts
from db.repositories.enrolments import get as enrolment_of
from db.statements import insert_ignore
from db.tables.campaigns import campaigns, enrolments
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.invitation_doubts import BURST, DoubtReason, JoinStatus
from domain.campaigns.invitations import Attribution
from domain.campaigns.members import shard_of
from domain.ids import new_id


def join(
    conn: Connection,
    campaign_id: str,
    friend_id: str,
    by: Attribution,
    reasons: Sequence[DoubtReason],
    client_hash: str | None,
    now: datetime,
) -> None:
    """Record by whose invitation somebody has just been enrolled; what was recorded before stays.

    With ``reasons`` it waits for staff; those that lie in the number hold for the whole burst.
    """
    entry = enrolment_of(conn, campaign_id, friend_id)
    if entry is None or entry.invited_by != by.inviter_id:
        return
    row = {
        "campaign_id": campaign_id,
        "friend_id": friend_id,
        "id": new_id(),
        "invitation_id": by.invitation_id,
        "inviter_id": by.inviter_id,
        "inviter_shard": shard_of(by.inviter_id),
        "joined_at": now,
        "new_member": by.new_member,
        "status": (JoinStatus.DOUBTFUL if reasons else JoinStatus.JOINED).value,
        "reasons": [reason.value for reason in reasons],
        "client_hash": client_hash,
    }
    if insert_ignore(conn, invitation_joins, [row], conflict=["campaign_id", "friend_id"]) == 0:
        return
    if by.new_member:
        unknown = and_(people.c.id == friend_id, people.c.invited_by.is_(None))
        conn.execute(update(people).where(unknown).values(invited_by=by.inviter_id))
    for reason in BURST.intersection(reasons):
        invitation_doubts.hold_burst(conn, by.inviter_id, reason, client_hash, now)


def friends(
    conn: Connection, campaign_id: str, inviter_id: str, after: str | None, limit: int
) -> list[Row[Any]]:
    """Return who joined by somebody's invitations, newest first; those who severed it are left out."""
    found = (
        select(invitation_joins, people.c.display_name)
        .join(people, people.c.id == invitation_joins.c.friend_id)
        .where(
            invitation_joins.c.campaign_id == campaign_id,
            invitation_joins.c.inviter_id == inviter_id,
            invitation_joins.c.severed_at.is_(None),
        )
    )
    if after is not None:
        found = found.where(invitation_joins.c.id < after)
    return list(conn.execute(found.order_by(invitation_joins.c.id.desc()).limit(limit)))


def inviters_of(conn: Connection, friend_id: str) -> list[Row[Any]]:
    """Return who invited somebody to which campaign, newest first."""
    found = (
        select(
            invitation_joins.c.campaign_id,
            invitation_joins.c.joined_at,
            invitation_joins.c.inviter_id,
            people.c.display_name,
            campaigns.c.title,
        )
        .join(people, people.c.id == invitation_joins.c.inviter_id)
        .join(campaigns, campaigns.c.id == invitation_joins.c.campaign_id)
        .where(invitation_joins.c.friend_id == friend_id, invitation_joins.c.severed_at.is_(None))
    )
    return list(conn.execute(found.order_by(invitation_joins.c.id.desc()).limit(100)))


def inviter_name(conn: Connection, campaign_id: str, friend_id: str) -> str | None:
    """Return the name of who invited somebody to a campaign, None for nobody, or if the link was cut."""
    found = (
        select(people.c.display_name)
        .join(invitation_joins, invitation_joins.c.inviter_id == people.c.id)
        .where(
            invitation_joins.c.campaign_id == campaign_id,
            invitation_joins.c.friend_id == friend_id,
            invitation_joins.c.severed_at.is_(None),
        )
    )
    return conn.execute(found).scalar_one_or_none()


def sever(conn: Connection, friend_id: str, now: datetime, campaign_id: str | None = None) -> int:
    """Cut somebody off from who invited them, to one campaign or to all; return how many joins that changed.

    Who was not active yet never counts. What already counts stays a number without a name. That the
    account came by an invitation is kept, for reviewers who must not decide about friends.
    """
    own = and_(invitation_joins.c.friend_id == friend_id, invitation_joins.c.severed_at.is_(None))
    place = and_(enrolments.c.person_id == friend_id, enrolments.c.invited_by.is_not(None))
    if campaign_id is not None:
        own = and_(own, invitation_joins.c.campaign_id == campaign_id)
        place = and_(place, enrolments.c.campaign_id == campaign_id)
    waiting = (JoinStatus.JOINED.value, JoinStatus.DOUBTFUL.value)
    # Enrolments before joins, as the close of a day writes them.
    conn.execute(update(enrolments).where(place).values(invited_by=None))
    conn.execute(
        update(invitation_joins)
        .where(own, invitation_joins.c.status.in_(waiting))
        .values(status=JoinStatus.REJECTED.value)
    )
    severed = update(invitation_joins).where(own).values(severed_at=now)
    return int(conn.execute(severed, execution_options={"preserve_rowcount": True}).rowcount)
