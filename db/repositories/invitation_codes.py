"""Personal codes of invitations: made, found, followed, taken back."""

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, or_, select, update

from db.statements import insert_ignore
from db.tables.campaigns import campaigns, enrolments
from db.tables.invitations import invitations
from db.tables.people import people
from domain.campaigns.invitations import Channel, expires_at
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan, InvitationMode
from domain.campaigns.terms import OPEN_STATUSES
from domain.ids import new_id
from domain.people import PersonStatus

CODE_BYTES = 16
_OPEN = [status.value for status in OPEN_STATUSES]


def personal(
    conn: Connection, campaign_id: str, inviter_id: str, channel: Channel, valid_days: int, now: datetime
) -> Row[Any]:
    """Return the member's code of that channel; one that has expired is followed by a new one."""
    own = and_(
        invitations.c.campaign_id == campaign_id,
        invitations.c.inviter_id == inviter_id,
        invitations.c.channel == channel.value,
        invitations.c.ended_at.is_(None),
    )
    conn.execute(update(invitations).where(own, invitations.c.expires_at <= now).values(ended_at=now))
    day = conn.execute(select(campaigns.c.day).where(campaigns.c.id == campaign_id)).scalar_one()
    row = {
        "id": new_id(),
        "campaign_id": campaign_id,
        "inviter_id": inviter_id,
        "channel": channel.value,
        "day": day,
        "code": secrets.token_urlsafe(CODE_BYTES),
        "created_at": now,
        "expires_at": expires_at(now, valid_days),
    }
    if conn.execute(select(invitations.c.id).where(own)).first() is None:
        insert_ignore(conn, invitations, [row])
    return conn.execute(select(invitations).where(own)).one()


def revoke(conn: Connection, campaign_id: str, inviter_id: str, invitation_id: str, now: datetime) -> bool:
    """Take an own invitation back; False if there is none. Who joined by it stays joined."""
    own = and_(
        invitations.c.id == invitation_id,
        invitations.c.campaign_id == campaign_id,
        invitations.c.inviter_id == inviter_id,
    )
    if conn.execute(select(invitations.c.id).where(own)).first() is None:
        return False
    conn.execute(update(invitations).where(own, invitations.c.ended_at.is_(None)).values(ended_at=now))
    return True


def listed(conn: Connection, campaign_id: str, inviter_id: str) -> list[Row[Any]]:
    """Return somebody's personal codes of a campaign, newest first (one or two, and those that ended)."""
    own = and_(
        invitations.c.campaign_id == campaign_id,
        invitations.c.inviter_id == inviter_id,
        invitations.c.channel != Channel.EMAIL.value,
    )
    return list(conn.execute(select(invitations).where(own).order_by(invitations.c.id.desc()).limit(100)))


def _usable(now: datetime) -> Any:
    """Select the invitations by which somebody can join now, with campaign and inviter."""
    takes_part = exists().where(
        enrolments.c.campaign_id == invitations.c.campaign_id,
        enrolments.c.person_id == invitations.c.inviter_id,
        enrolments.c.status == Place.ACTIVE.value,
    )
    leaders = people.alias("leaders")
    return (
        select(
            invitations,
            campaigns.c.title,
            campaigns.c.summary,
            campaigns.c.plan,
            campaigns.c.status.label("campaign_status"),
            campaigns.c.day.label("campaign_day"),
            campaigns.c.seats_taken,
            campaigns.c.length_days,
            campaigns.c.starts_at,
            campaigns.c.ends_at,
            leaders.c.display_name.label("leader_name"),
            people.c.display_name.label("inviter_name"),
        )
        .join(campaigns, campaigns.c.id == invitations.c.campaign_id)
        .join(leaders, leaders.c.id == campaigns.c.leader_id)
        .join(people, people.c.id == invitations.c.inviter_id)
        .where(
            invitations.c.ended_at.is_(None),
            invitations.c.expires_at > now,
            campaigns.c.status.in_(_OPEN),
            people.c.status == PersonStatus.ACTIVE.value,
            or_(takes_part, campaigns.c.leader_id == invitations.c.inviter_id),
        )
    )


def by_code(conn: Connection, code: str, now: datetime) -> Row[Any] | None:
    """Return the invitation behind a code, None for one that is unknown, expired, revoked or over."""
    found: Row[Any] | None = conn.execute(_usable(now).where(invitations.c.code == code)).one_or_none()
    if found is None or CampaignPlan.model_validate(found.plan).invitations.mode is InvitationMode.OFF:
        return None
    return found


def usable_of(conn: Connection, campaign_id: str, ids: Collection[str], now: datetime) -> list[Row[Any]]:
    """Return those of the invitations ``ids`` that lead to a campaign and can be used now."""
    wanted = _usable(now).where(invitations.c.campaign_id == campaign_id, invitations.c.id.in_(sorted(ids)))
    return list(conn.execute(wanted))


def opened(conn: Connection, invitation_id: str, now: datetime) -> None:
    """Note that an invitation was followed for the first time."""
    first = and_(invitations.c.id == invitation_id, invitations.c.opened_at.is_(None))
    conn.execute(update(invitations).where(first).values(opened_at=now))
