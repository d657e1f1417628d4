"""Invitations by mail: who may send one, to which address, how many; and how far each has come."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, Row

from api.problems import Problem, too_many_requests
from api.schemas.invitations import InvitationOut
from db.repositories import campaigns, enrolments, invitation_mails, invitation_policies, people
from db.repositories.invitation_mails import DAY, ToInvite
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.invitation_mails import (
    Delivery,
    InvitationPolicy,
    delivery_of,
    status_before_joining,
)
from domain.campaigns.invitations import Channel, InvitationStatus, expires_at
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan, InvitationMode, InvitationPlan
from domain.campaigns.terms import OPEN_STATUSES, Status, keeps_joining
from domain.mail import MailStatus
from domain.people import address_hash
from locales import translate


@dataclass(frozen=True, slots=True)
class OpenCampaign:
    """A campaign to which somebody may invite."""

    row: Row[Any]
    plan: InvitationPlan


def good_until(conn: Connection, campaign: Any, expires_at: datetime) -> datetime:
    """Return until when an invitation is of use: until it expires, or joining ends, which may be before.

    The latter as the campaign dates its days, which is ahead of the clock where time was skipped.
    """
    ends = enrolments.joining_ends(conn, campaign)
    if ends is None or ends - timedelta(seconds=campaign.clock_offset_seconds) >= expires_at:
        return expires_at
    return ends


def may_invite(conn: Connection, row: Any, person_id: str) -> bool:
    """Tell whether ``person_id`` leads the campaign ``row`` or takes part: who waits or left does not."""
    entry: Any = enrolments.get(conn, row.id, person_id)
    return person_id == row.leader_id or (entry is not None and entry.status == Place.ACTIVE.value)


def campaign_to_invite_to(conn: Connection, campaign_id: str, person_id: str) -> OpenCampaign:
    """Return the campaign if ``person_id`` may invite to it: as its leader or as who takes part.

    Raises ``Problem``.
    """
    row = campaigns.get(conn, campaign_id)
    if row is None or Status(row.status) not in OPEN_STATUSES:
        raise Problem("not_found")
    plan = CampaignPlan.model_validate(row.plan)
    if plan.invitations.mode is InvitationMode.OFF:
        raise Problem("invitations_off")
    if not may_invite(conn, row, person_id):
        raise Problem("not_enrolled")
    if not keeps_joining(Status(row.status), row.day, plan.last_joining_day):
        raise Problem("joining_over")
    return OpenCampaign(row, plan.invitations)


def invite(
    conn: Connection,
    campaign_id: str,
    person_id: str,
    email: str,
    base: str,
    now: datetime,
    check_in_id: str | None = None,
) -> InvitationOut:
    """Invite a mailbox in the caller's transaction; one that is invited already has the same answer.

    The answer is the same whether the community knows the address or not. Raises ``Problem``.
    """
    campaign = campaign_to_invite_to(conn, campaign_id, person_id)
    inviter, policy = people.get(conn, person_id), invitation_policies.current(conn).policy
    if inviter is None:
        raise Problem("not_found")
    if address_hash(email) == address_hash(inviter.email):
        raise Problem("invitation_own_address")
    if policy.is_disposable(email):
        raise Problem("address_disposable")
    invitation_mails.hold_member(conn, person_id)
    earlier = invitation_mails.of_mailbox(conn, campaign_id, person_id, email)
    if earlier is not None:
        if earlier.ended_at is not None or earlier.expires_at <= now:
            raise Problem("invitation_address_used")
        return out(earlier, base, now)
    _within_limits(conn, campaign_id, person_id, policy, now)
    expires = expires_at(now, campaign.plan.valid_days)
    wanted = ToInvite(
        campaign_id,
        campaign.row.title,
        inviter,
        email,
        translate(inviter.locale, "mail.invited_reader"),
        expires,
        good_until(conn, campaign.row, expires),
        campaign.row.day,
        check_in_id,
    )
    return out(invitation_mails.make(conn, wanted, policy.mails_to_address_a_week, now), base, now)


def _within_limits(
    conn: Connection, campaign_id: str, person_id: str, policy: InvitationPolicy, now: datetime
) -> None:
    of_campaign = invitation_mails.made_to_campaign(conn, campaign_id, person_id)
    if of_campaign >= policy.mails_a_campaign:
        raise Problem("invitations_used_up", most=policy.mails_a_campaign)
    of_day, first = invitation_mails.made_since(conn, person_id, now - DAY)
    if of_day >= policy.mails_a_day:
        wait = (first + DAY - now).total_seconds() if first is not None else DAY.total_seconds()
        raise too_many_requests(max(1, ceil(wait)))


def out(row: Row[Any], base: str, now: datetime, rewarded: Collection[str] = ()) -> InvitationOut:
    """Return a mailed invitation as its inviter sees it; ``rewarded`` are the joins that were paid."""
    url = f"{base}/i/{row.code}"
    delivery = delivery_of(MailStatus(row.mail_status) if row.mail_status else None)
    return InvitationOut(
        id=row.id,
        channel=Channel.EMAIL,
        code=row.code,
        url=url,
        qr_url=f"{url}/qr.svg",
        status=_status(row, delivery, now, rewarded),
        created_at=row.created_at,
        expires_at=row.expires_at,
        email=row.email,
        delivery=delivery,
    )


def _status(row: Row[Any], delivery: Delivery, now: datetime, rewarded: Collection[str]) -> InvitationStatus:
    """Doubts are for staff, and a friend who cut the link is seen no more: the invitation is over."""
    if row.join_status is None or row.severed_at is not None:
        over = row.ended_at is not None or row.expires_at <= now
        return status_before_joining(delivery, opened=row.opened_at is not None, over=over)
    if row.join_status == JoinStatus.REJECTED.value:
        return InvitationStatus.REJECTED
    if row.join_status != JoinStatus.ACTIVATED.value:
        return InvitationStatus.JOINED
    return InvitationStatus.REWARDED if row.join_id in rewarded else InvitationStatus.ACTIVATED
