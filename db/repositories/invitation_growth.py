"""What invitations did for a campaign, counted from what is stored: ways by their facts, joins as edges.

The rules are in ``domain.campaigns.growth``; a campaign of a million members comes here as a few hundred
groups of ways that are alike.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, false, func, or_, select

from db.tables.campaigns import enrolments, settlements
from db.tables.invitation_mails import invitation_mails
from db.tables.invitations import invitation_joins, invitations
from db.tables.mail import mails
from domain.campaigns.growth import Funnel, Growth, Way, funnel, k_factor, tree
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan, InvitationMode
from domain.mail import MailStatus

_EDGES = 10_000


def whole(conn: Connection, row: Row[Any], now: datetime) -> Growth:
    """Return what invitations did for the campaign in ``row``, which is over; ``now``: wall clock (UTC)."""
    counted = funnel(_ways(conn, row, now), over=True)
    return Growth(
        funnel=counted, k=k_factor(counted, participants(conn, row.id)), tree=tree(_edges(conn, row.id))
    )


def so_far(conn: Connection, row: Row[Any], now: datetime, *, over: bool) -> Growth:
    """Return the same without the tree, while the campaign runs or after it."""
    counted: Funnel = funnel(_ways(conn, row, now), over=over)
    return Growth(funnel=counted, k=k_factor(counted, participants(conn, row.id)))


def participants(conn: Connection, campaign_id: str) -> int:
    """Return how many people ever had a place, those included who have left since."""
    had_one = enrolments.c.status != Place.WAITING.value
    counted = select(func.count()).where(enrolments.c.campaign_id == campaign_id, had_one)
    return conn.execute(counted).scalar_one()


def _ways(conn: Connection, row: Row[Any], now: datetime) -> Iterator[tuple[Way, int]]:
    """Yield the ways of a campaign, those that are alike together with their number."""
    for statement in (_joined(row), _not_joined(row, now)):
        for found in conn.execute(statement):
            values = dict(found._mapping)
            number = values.pop("number")
            yield Way(**values), number


def _joined(row: Row[Any]) -> Select[Any]:
    rewarded = _rewarded(row)
    facts = (
        invitations.c.day,
        invitations.c.opened_at.is_not(None).label("opened"),
        invitation_joins.c.status.label("join"),
        invitation_joins.c.new_member,
        (false() if rewarded is None else invitation_joins.c.id.in_(rewarded)).label("rewarded"),
    )
    ways = select(*facts).join_from(
        invitation_joins, invitations, invitations.c.id == invitation_joins.c.invitation_id
    )
    alike = ways.where(invitation_joins.c.campaign_id == row.id).subquery()
    return select(*alike.c, func.count().label("number")).group_by(*alike.c)


def _not_joined(row: Row[Any], now: datetime) -> Select[Any]:
    """Select the invitations that nobody has joined by."""
    facts = (
        invitations.c.day,
        invitations.c.opened_at.is_not(None).label("opened"),
        or_(invitations.c.ended_at.is_not(None), invitations.c.expires_at <= now).label("expired"),
        _mailed().label("sent"),
    )
    used = exists().where(invitation_joins.c.invitation_id == invitations.c.id)
    alike = select(*facts).where(invitations.c.campaign_id == row.id, ~used).subquery()
    return select(*alike.c, func.count().label("number")).group_by(*alike.c)


def _mailed() -> ColumnElement[bool]:
    """Tell whether the mail of an invitation has left; a code that is passed on by hand has none."""
    left = (MailStatus.SENT.value, MailStatus.DELIVERED.value)
    return exists().where(
        invitation_mails.c.invitation_id == invitations.c.id,
        mails.c.id == invitation_mails.c.mail_id,
        mails.c.status.in_(left),
    )


def _rewarded(row: Row[Any]) -> Select[Any] | None:
    """Select the joins that were rewarded: of each inviter the first so many that were paid for."""
    plan = CampaignPlan.model_validate(row.plan).invitations
    if plan.mode is not InvitationMode.INSIDE or not plan.points:
        return None
    order = (invitation_joins.c.activated_at, invitation_joins.c.id)
    ranked = (
        select(
            invitation_joins.c.id,
            func.row_number().over(partition_by=invitation_joins.c.inviter_id, order_by=order).label("place"),
            settlements.c.invitation_points,
        )
        .join(
            settlements,
            and_(
                settlements.c.campaign_id == invitation_joins.c.campaign_id,
                settlements.c.person_id == invitation_joins.c.inviter_id,
            ),
        )
        .where(
            invitation_joins.c.campaign_id == row.id,
            invitation_joins.c.status == JoinStatus.ACTIVATED.value,
            settlements.c.invitation_points > 0,
        )
        .subquery()
    )
    return select(ranked.c.id).where(ranked.c.place * plan.points <= ranked.c.invitation_points)


def _edges(conn: Connection, campaign_id: str) -> Iterator[tuple[str, str]]:
    """Yield friend and inviter of every join, in the order in which they joined."""
    joins = (
        select(invitation_joins.c.friend_id, invitation_joins.c.inviter_id)
        .where(invitation_joins.c.campaign_id == campaign_id)
        .order_by(invitation_joins.c.joined_at, invitation_joins.c.id)
    )
    for found in conn.execute(joins, execution_options={"yield_per": _EDGES}):
        yield found.friend_id, found.inviter_id
