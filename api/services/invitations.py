"""Invitations: personal codes, and by whom somebody came."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from api.pagination import Paging
from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.invitations import (
    FriendOut,
    InvitationOut,
    InvitationsOut,
    InviterOut,
    InvitersOut,
    PersonalChannel,
)
from api.services.invitation_clicks import Followed
from db.repositories import (
    campaigns,
    enrolments,
    invitation_activation,
    invitation_attribution,
    invitation_codes,
    invitation_doubts,
    people,
    settlements,
)
from domain.campaigns.invitation_doubts import DoubtReason, JoinStatus
from domain.campaigns.invitations import Attribution, Channel, Click, InvitationStatus, attribute
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan, InvitationMode
from domain.campaigns.terms import OPEN_STATUSES, Status

TYPED_CODE_GRACE: Final = timedelta(days=1)
"""Who types a code in was new to the community if the account is no older than this."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """By whom somebody comes, and what has to be looked at before it counts."""

    by: Attribution
    doubts: tuple[DoubtReason, ...]


def behind(
    conn: Connection,
    campaign_id: str,
    person_id: str,
    code: str | None,
    shown: Followed,
    now: datetime,
) -> Invitation | None:
    """Return by whose invitation ``person_id`` comes to a campaign, None for none that counts.

    A code that was given goes before clicks. Who was enrolled before keeps what was decided then.
    """
    if enrolments.get(conn, campaign_id, person_id) is not None:
        return None
    person, campaign = people.get(conn, person_id), campaigns.get(conn, campaign_id)
    if person is None or campaign is None or campaign.leader_id == person_id:
        # Leaders invite before they take part: brought by a friend of theirs, they would close a circle.
        return None
    plan = CampaignPlan.model_validate(campaign.plan).invitations
    if plan.mode is InvitationMode.OFF:
        return None
    window = timedelta(days=plan.attribution_days)
    clicks = _typed(conn, campaign_id, code, min(window, TYPED_CODE_GRACE), now)
    if not clicks:
        clicks = _clicks(conn, campaign_id, shown, now)
    by = attribute(
        clicks,
        oneself={person_id},
        joined_at=now,
        window_days=plan.attribution_days,
        known_since=person.joined_at,
    )
    if by is None:
        return None
    return Invitation(
        by, invitation_doubts.doubts_about(conn, person_id, by.inviter_id, shown.client_hash, now)
    )


def _typed(
    conn: Connection, campaign_id: str, code: str | None, grace: timedelta, now: datetime
) -> list[Click]:
    row = invitation_codes.by_code(conn, code, now) if code else None
    if row is None or row.campaign_id != campaign_id:
        return []
    since = max(row.created_at, now - grace)
    return [Click(invitation_id=row.id, inviter_id=row.inviter_id, at=since)]


def _clicks(conn: Connection, campaign_id: str, shown: Followed, now: datetime) -> list[Click]:
    if not shown.clicks:
        return []
    rows = {
        row.id: row
        for row in invitation_codes.usable_of(conn, campaign_id, [one for one, _ in shown.clicks], now)
    }
    return [
        Click(invitation_id=one, inviter_id=rows[one].inviter_id, at=at)
        for one, at in shown.clicks
        if one in rows
    ]


def joined(
    conn: Connection,
    campaign_id: str,
    person_id: str,
    invitation: Invitation,
    shown: Followed,
    now: datetime,
) -> None:
    """Record by whose invitation somebody has just been enrolled, in the same transaction."""
    invitation_attribution.join(
        conn, campaign_id, person_id, invitation.by, invitation.doubts, shown.client_hash, now
    )


def make(
    conn: Connection, campaign_id: str, person_id: str, channel: PersonalChannel, base: str, now: datetime
) -> InvitationOut:
    """Return the member's personal code. Raises ``Problem`` for who does not take part."""
    row = campaigns.get(conn, campaign_id)
    if row is None or Status(row.status) not in OPEN_STATUSES:
        raise Problem("not_found")
    plan = CampaignPlan.model_validate(row.plan).invitations
    if plan.mode is InvitationMode.OFF:
        raise Problem("invitations_off")
    entry: Any = enrolments.get(conn, campaign_id, person_id)
    if person_id != row.leader_id and (entry is None or entry.status != Place.ACTIVE.value):
        raise Problem("not_enrolled")
    made = invitation_codes.personal(
        conn, campaign_id, person_id, Channel(channel.value), plan.valid_days, now
    )
    return _out(made, base, now)


def _out(row: Row[Any], base: str, now: datetime) -> InvitationOut:
    url = f"{base}/i/{row.code}"
    status = InvitationStatus.OPENED if row.opened_at else InvitationStatus.CREATED
    if row.ended_at is not None or row.expires_at <= now:
        status = InvitationStatus.EXPIRED
    return InvitationOut(
        id=row.id,
        channel=PersonalChannel(row.channel),
        code=row.code,
        url=url,
        qr_url=f"{url}/qr.svg",
        status=status,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def mine(
    conn: Connection, campaign_id: str, person_id: str, base: str, paging: Paging, now: datetime
) -> InvitationsOut:
    """Return somebody's invitations to a campaign and who joined by them. Raises ``Problem``."""
    row = campaigns.get(conn, campaign_id)
    made = invitation_codes.listed(conn, campaign_id, person_id)
    entry: Any = enrolments.get(conn, campaign_id, person_id)
    if row is None or (not made and entry is None and person_id != row.leader_id):
        raise Problem("not_found" if row is None else "not_enrolled")
    plan = CampaignPlan.model_validate(row.plan).invitations
    after = str(paging.after[0]) if paging.after else None
    found = invitation_attribution.friends(conn, campaign_id, person_id, after, paging.fetch)
    shown, cursor = paging.cut(found, lambda one: (one.id,))
    paid = settlements.of_member(conn, campaign_id, person_id)
    number = paid.invitation_points // plan.points if paid and plan.points else 0
    rewarded = (
        invitation_activation.first_activated(conn, campaign_id, person_id, number) if number else frozenset()
    )
    return InvitationsOut(
        invitations=[_out(one, base, now) for one in made],
        friends=[_friend(one, one.id in rewarded) for one in shown],
        activated=entry.friends_activated if entry else 0,
        goal=plan.goal,
        rewarded_at_most=plan.rewarded_at_most if plan.mode is InvitationMode.INSIDE else 0,
        next_cursor=cursor,
    )


def _friend(row: Row[Any], rewarded: bool) -> FriendOut:
    """Doubts are for staff: the inviter sees somebody who joined."""
    status = JoinStatus(row.status)
    shown = {
        JoinStatus.ACTIVATED: InvitationStatus.REWARDED if rewarded else InvitationStatus.ACTIVATED,
        JoinStatus.REJECTED: InvitationStatus.REJECTED,
    }.get(status, InvitationStatus.JOINED)
    return FriendOut(
        friend=PersonOut(id=row.friend_id, display_name=row.display_name),
        status=shown,
        new_member=row.new_member,
        joined_at=row.joined_at,
        activated_at=row.activated_at,
    )


def revoke(conn: Connection, campaign_id: str, person_id: str, invitation_id: str, now: datetime) -> None:
    """Take an own invitation back. Raises ``Problem``."""
    if not invitation_codes.revoke(conn, campaign_id, person_id, invitation_id, now):
        raise Problem("not_found")


def inviters(conn: Connection, person_id: str) -> InvitersOut:
    """Return who invited somebody."""
    return InvitersOut(
        items=[
            InviterOut(
                campaign_id=row.campaign_id,
                campaign_title=row.title,
                inviter=PersonOut(id=row.inviter_id, display_name=row.display_name),
                joined_at=row.joined_at,
            )
            for row in invitation_attribution.inviters_of(conn, person_id)
        ]
    )
