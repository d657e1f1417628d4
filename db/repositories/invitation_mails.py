"""Invitations by mail: a code of its own for a mailbox, its mail, and the mailboxes that want none.

A mailbox is known by the hash of its address, which outlives the address itself. It is written to once a
campaign, held by the key of the mail, whoever invites it.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, exists, func, insert, or_, select, update

from db.repositories.invitation_codes import CODE_BYTES
from db.statements import insert_ignore
from db.tables.campaigns import campaigns, enrolments
from db.tables.invitation_mails import invitation_mails, invitation_refusals
from db.tables.invitations import invitation_joins, invitations
from db.tables.mail import mails, suppressions
from db.tables.people import people
from domain.campaigns.invitations import Channel
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.terms import Status, keeps_joining
from domain.ids import new_id
from domain.mail import MailStatus, MailTemplate
from domain.people import Person, PersonStatus, address_hash, normalise_email

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
_HELD_BACK = (MailStatus.QUEUED.value, MailStatus.UNKNOWN.value)


class ToInvite(NamedTuple):
    """Whom somebody invites to what; ``greeting`` is what an unknown reader is called.

    ``good_until`` is what the letter names: before ``expires_at`` where joining ends before.
    """

    campaign_id: str
    title: str
    inviter: Person
    email: str
    greeting: str
    expires_at: datetime
    good_until: datetime
    day: int = 0
    check_in_id: str | None = None


def of_mailbox(conn: Connection, campaign_id: str, inviter_id: str, email: str) -> Row[Any] | None:
    """Return a member's own invitation of a mailbox to a campaign, whatever has become of it."""
    own = and_(
        invitation_mails.c.campaign_id == campaign_id,
        invitation_mails.c.inviter_id == inviter_id,
        invitation_mails.c.address_hash == address_hash(email),
    )
    return conn.execute(_shown().where(own)).one_or_none()


def hold_member(conn: Connection, inviter_id: str) -> None:
    """Let nobody else invite for a member until the transaction ends: counted and written is one step."""
    own = select(people.c.id).where(people.c.id == inviter_id)
    conn.execute(own.with_for_update(key_share=True))


def made_since(conn: Connection, inviter_id: str, since: datetime) -> tuple[int, datetime | None]:
    """Return how many mailboxes a member has invited since an instant, and when the first of them."""
    made = select(func.count(), func.min(invitation_mails.c.created_at)).where(
        invitation_mails.c.inviter_id == inviter_id, invitation_mails.c.created_at > since
    )
    number, first = conn.execute(made).one()
    return int(number), first


def made_to_campaign(conn: Connection, campaign_id: str, inviter_id: str) -> int:
    """Return how many mailboxes a member has invited to a campaign."""
    made = select(func.count()).where(
        invitation_mails.c.campaign_id == campaign_id, invitation_mails.c.inviter_id == inviter_id
    )
    return int(conn.execute(made).scalar_one())


def make(conn: Connection, given: ToInvite, at_most_a_week: int, now: datetime) -> Row[Any]:
    """Make an invitation of a mailbox with a code of its own, and queue its mail if there is to be one.

    There is none to a mailbox that has had one of this campaign, or ``at_most_a_week`` of others.
    """
    row = {
        "id": new_id(),
        "campaign_id": given.campaign_id,
        "inviter_id": given.inviter.id,
        "channel": Channel.EMAIL.value,
        "day": given.day,
        "code": secrets.token_urlsafe(CODE_BYTES),
        "created_at": now,
        "expires_at": given.expires_at,
    }
    conn.execute(insert(invitations), row)
    mailed = {
        "invitation_id": row["id"],
        "campaign_id": given.campaign_id,
        "inviter_id": given.inviter.id,
        "address_hash": address_hash(given.email),
        "email": given.email,
        "mail_id": None,
        "check_in_id": given.check_in_id,
        "created_at": now,
    }
    mailed["mail_id"] = _queue(conn, given, row, at_most_a_week, now)
    conn.execute(insert(invitation_mails), mailed)
    found = of_mailbox(conn, given.campaign_id, given.inviter.id, given.email)
    assert found is not None
    return found


def _queue(
    conn: Connection, given: ToInvite, row: dict[str, Any], at_most_a_week: int, now: datetime
) -> str | None:
    """Queue the mail and return its id, None where none is to be sent.

    A member is written to as one, in the own language. Whether an account or a mailbox takes such mail is
    asked when it would leave, so that the answer to the inviter tells nothing of it.
    """
    hashed = address_hash(given.email)
    known: Any = conn.execute(
        select(people).where(people.c.email_normalised == normalise_email(given.email))
    ).one_or_none()
    if _tired(conn, hashed, at_most_a_week, now):
        return None
    mail_id = new_id()
    queued = {
        "id": mail_id,
        "key": f"invitation/{given.campaign_id}:{hashed}",
        "person_id": known.id if known else None,
        "to_email": known.email if known else given.email,
        "to_name": known.display_name if known else given.greeting,
        "locale": known.locale if known else given.inviter.locale,
        "time_zone": known.time_zone if known else given.inviter.time_zone,
        "template": MailTemplate.CAMPAIGN_INVITATION.value,
        "data": {
            "campaign_id": given.campaign_id,
            "title": given.title,
            "inviter_id": given.inviter.id,
            "code": row["code"],
            "expires_at": given.good_until.isoformat(),
            "known": known is not None,
            "address_hash": hashed,
        },
        "list_mail": 1,
        "status": MailStatus.QUEUED.value,
        "attempts": 0,
        "not_before": now,
        "created_at": now,
    }
    return mail_id if insert_ignore(conn, mails, [queued], conflict=["key"]) else None


def _tired(conn: Connection, hashed: str, at_most_a_week: int, now: datetime) -> bool:
    lately = select(func.count()).where(
        invitation_mails.c.address_hash == hashed,
        invitation_mails.c.created_at > now - WEEK,
        invitation_mails.c.mail_id.is_not(None),
    )
    return int(conn.execute(lately).scalar_one()) >= at_most_a_week


def _shown() -> Any:
    return (
        select(
            invitations,
            invitation_mails.c.email,
            invitation_mails.c.check_in_id,
            mails.c.status.label("mail_status"),
            invitation_joins.c.id.label("join_id"),
            invitation_joins.c.status.label("join_status"),
            invitation_joins.c.severed_at,
        )
        .select_from(invitation_mails)
        .join(invitations, invitations.c.id == invitation_mails.c.invitation_id)
        .outerjoin(mails, mails.c.id == invitation_mails.c.mail_id)
        .outerjoin(
            invitation_joins,
            and_(
                invitation_joins.c.campaign_id == invitation_mails.c.campaign_id,
                invitation_joins.c.inviter_id == invitation_mails.c.inviter_id,
                invitation_joins.c.invitation_id == invitation_mails.c.invitation_id,
            ),
        )
    )


def listed(conn: Connection, campaign_id: str, inviter_id: str, limit: int) -> list[Row[Any]]:
    """Return a member's mailed invitations to a campaign, newest first, with mail and friend of each."""
    own = and_(invitation_mails.c.campaign_id == campaign_id, invitation_mails.c.inviter_id == inviter_id)
    return list(conn.execute(_shown().where(own).order_by(invitations.c.id.desc()).limit(limit)))


def of_check_in(conn: Connection, check_in_id: str) -> list[Row[Any]]:
    """Return the invitations that the note of a check-in made, in its order."""
    made = _shown().where(invitation_mails.c.check_in_id == check_in_id)
    return list(conn.execute(made.order_by(invitations.c.id)))


def bound_to(conn: Connection, invitation_id: str) -> str | None:
    """Return the hash of the mailbox that an invitation was sent to; None for one that is bound to none."""
    found = select(invitation_mails.c.address_hash).where(invitation_mails.c.invitation_id == invitation_id)
    return conn.execute(found).scalar()


def take(conn: Connection, invitation_id: str) -> bool:
    """Hold a mailed invitation until the transaction ends; False if it has been used up or taken back.

    It serves one friend: of two who come by it at once the second is told so.
    """
    held = select(invitations.c.id).where(invitations.c.id == invitation_id, invitations.c.ended_at.is_(None))
    return conn.execute(held.with_for_update()).first() is not None


def use_up(conn: Connection, invitation_id: str, now: datetime) -> None:
    """End a mailed invitation by which somebody has joined; any other stays as it is."""
    mailed = and_(invitations.c.id == invitation_id, invitations.c.channel == Channel.EMAIL.value)
    conn.execute(update(invitations).where(mailed, invitations.c.ended_at.is_(None)).values(ended_at=now))


def joined_campaign(conn: Connection, code: str, person_id: str) -> str | None:
    """Return the campaign that a person has joined by the code of a mail; None for anything else."""
    found = (
        select(invitation_joins.c.campaign_id)
        .join(invitations, invitations.c.id == invitation_joins.c.invitation_id)
        .where(
            invitations.c.code == code,
            invitations.c.channel == Channel.EMAIL.value,
            invitation_joins.c.friend_id == person_id,
        )
    )
    return conn.execute(found).scalar()


def refuse(conn: Connection, hashed: str, now: datetime) -> None:
    """Never invite a mailbox again: open invitations end, and its address is deleted from them."""
    insert_ignore(
        conn, invitation_refusals, [{"address_hash": hashed, "created_at": now}], conflict=["address_hash"]
    )
    ids = conn.execute(
        select(invitation_mails.c.invitation_id).where(invitation_mails.c.address_hash == hashed)
    ).scalars()
    forget(conn, list(ids), now)


def language_of_mailbox(conn: Connection, hashed: str) -> str | None:
    """Return the language in which a mailbox was last invited."""
    found = (
        select(mails.c.locale)
        .join(invitation_mails, invitation_mails.c.mail_id == mails.c.id)
        .where(invitation_mails.c.address_hash == hashed)
        .order_by(mails.c.id.desc())
        .limit(1)
    )
    return conn.execute(found).scalar()


def forget(conn: Connection, invitation_ids: Sequence[str], now: datetime) -> None:
    """End mailed invitations and delete their addresses; a mail that has not left never does.

    One that is being handed over at this moment leaves, and its address goes when the old ones go.
    """
    ours = invitation_mails.c.invitation_id.in_(invitation_ids)
    conn.execute(
        update(invitations)
        .where(
            invitations.c.id.in_(invitation_ids),
            invitations.c.channel == Channel.EMAIL.value,
            invitations.c.ended_at.is_(None),
        )
        .values(ended_at=now)
    )
    mail_ids = list(
        conn.execute(
            select(invitation_mails.c.mail_id).where(ours, invitation_mails.c.mail_id.is_not(None))
        ).scalars()
    )
    conn.execute(
        update(mails)
        .where(mails.c.id.in_(mail_ids), mails.c.status.in_(_HELD_BACK))
        .values(
            # Another member may still invite the mailbox, which has heard of nothing.
            key="withdrawn/" + mails.c.id,
            status=MailStatus.SUPPRESSED.value,
            settled_at=now,
            error="withdrawn",
        )
    )
    conn.execute(
        update(mails)
        .where(mails.c.id.in_(mail_ids), mails.c.status != MailStatus.SENDING.value)
        .values(to_email="", to_name="")
    )
    conn.execute(update(invitation_mails).where(ours).values(email=None))


def forget_old(conn: Connection, before: datetime, now: datetime, limit: int = 500) -> int:
    """Delete the addresses of up to ``limit`` invitations that were over ``before``; return how many."""
    old = (
        select(invitation_mails.c.invitation_id)
        .join(invitations, invitations.c.id == invitation_mails.c.invitation_id)
        .where(
            invitation_mails.c.email.is_not(None),
            invitation_mails.c.created_at < before,
            or_(invitations.c.ended_at < before, invitations.c.expires_at < before),
        )
        .order_by(invitation_mails.c.created_at)
        .limit(limit)
    )
    ids = list(conn.execute(old).scalars())
    if ids:
        forget(conn, ids, now)
    return len(ids)


def barred(conn: Connection, mail_ids: Collection[str], now: datetime) -> set[str]:
    """Return which mails of invitations must not leave any more: asked again at every claim.

    The invitation is over, its campaign takes nobody in any more, its inviter is away, or its reader takes
    part already, has refused such mail or is unreachable. Which of them, the inviter is not told.
    """
    if not mail_ids:
        return set()
    refused = exists().where(invitation_refusals.c.address_hash == invitation_mails.c.address_hash)
    takes_part = exists().where(
        enrolments.c.campaign_id == invitations.c.campaign_id,
        enrolments.c.person_id == mails.c.person_id,
        enrolments.c.status.in_((Place.ACTIVE.value, Place.WAITING.value)),
    )
    good = (
        select(mails.c.id, mails.c.to_email, campaigns.c.status, campaigns.c.day, campaigns.c.plan)
        .join(invitation_mails, invitation_mails.c.mail_id == mails.c.id)
        .join(invitations, invitations.c.id == invitation_mails.c.invitation_id)
        .join(campaigns, campaigns.c.id == invitations.c.campaign_id)
        .join(people, people.c.id == invitations.c.inviter_id)
        .where(
            mails.c.id.in_(sorted(mail_ids)),
            invitations.c.ended_at.is_(None),
            invitations.c.expires_at > now,
            people.c.status == PersonStatus.ACTIVE.value,
            ~refused,
            ~takes_part,
        )
    )
    addresses = {
        row.id: normalise_email(row.to_email) for row in conn.execute(good) if _can_still_be_joined(row)
    }
    unreachable = set(
        conn.execute(
            select(suppressions.c.email_normalised).where(
                suppressions.c.email_normalised.in_(sorted(set(addresses.values())))
            )
        ).scalars()
    )
    return {one for one in mail_ids if one not in addresses or addresses[one] in unreachable}


def _can_still_be_joined(campaign: Any) -> bool:
    last = CampaignPlan.model_validate(campaign.plan).last_joining_day
    return keeps_joining(Status(campaign.status), campaign.day, last)
