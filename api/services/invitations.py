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
    InvitationIn,
    InvitationOut,
    InvitationsOut,
    InviterOut,
    InvitersOut,
)
from api.services import invitation_mails
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
from db.repositories import invitation_mails as mailed
from domain.campaigns.invitation_doubts import DoubtReason, JoinStatus
from domain.campaigns.invitation_mails import MOST_OF_CAMPAIGN
from domain.campaigns.invitations import Attribution, Channel, Click, InvitationStatus, attribute
from domain.campaigns.plan import CampaignPlan, InvitationMode
from domain.people import address_hash

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

    A code that was given goes before clicks, at the time of its own click where there was one: whether
    somebody is new must not depend on the button. Who was enrolled before keeps what was decided then.
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
    clicks = _typed(conn, campaign_id, code, shown, min(window, TYPED_CODE_GRACE), now)
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
    doubts = invitation_doubts.doubts_about(conn, person_id, by.inviter_id, shown.client_hash, now)
    bound_to = mailed.bound_to(conn, by.invitation_id)
    if bound_to is not None:
        if not mailed.take(conn, by.invitation_id):
            return None
        if bound_to != address_hash(person.email):
            doubts = (*doubts, DoubtReason.OTHER_ADDRESS)
    return Invitation(by, doubts)


def _typed(
    conn: Connection, campaign_id: str, code: str | None, shown: Followed, grace: timedelta, now: datetime
) -> list[Click]:
    row = invitation_codes.by_code(conn, code, now) if code else None
    if row is None or row.campaign_id != campaign_id:
        return []
    clicked = next((at for one, at in shown.clicks if one == row.id), None)
    since = clicked or max(row.created_at, now - grace)
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
    mailed.use_up(conn, invitation.by.invitation_id, now)


def make(
    conn: Connection, campaign_id: str, person_id: str, given: InvitationIn, base: str, now: datetime
) -> InvitationOut:
    """Return the member's personal code, or one that is mailed. Raises ``Problem``."""
    if given.email is not None:
        return invitation_mails.invite(conn, campaign_id, person_id, given.email, base, now)
    plan = invitation_mails.campaign_to_invite_to(conn, campaign_id, person_id).plan
    made = invitation_codes.personal(conn, campaign_id, person_id, given.channel, plan.valid_days, now)
    return _out(made, base, now)


def _out(row: Row[Any], base: str, now: datetime) -> InvitationOut:
    url = f"{base}/i/{row.code}"
    status = InvitationStatus.OPENED if row.opened_at else InvitationStatus.CREATED
    if row.ended_at is not None or row.expires_at <= now:
        status = InvitationStatus.EXPIRED
    return InvitationOut(
        id=row.id,
        channel=Channel(row.channel),
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
    sent = mailed.listed(conn, campaign_id, person_id, MOST_OF_CAMPAIGN)
    entry: Any = enrolments.get(conn, campaign_id, person_id)
    if row is None or (not made and not sent and entry is None and person_id != row.leader_id):
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
        invitations=[_out(one, base, now) for one in made]
        + [invitation_mails.out(one, base, now, rewarded) for one in sent],
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
    """Take an own invitation back, and delete the address of one by mail. Raises ``Problem``."""
    if not invitation_codes.revoke(conn, campaign_id, person_id, invitation_id, now):
        raise Problem("not_found")
    mailed.forget(conn, [invitation_id], now)


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
