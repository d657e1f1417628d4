"""Invitations as they are stored: personal codes, who joined by them, and which friends count.

A friend counts once: the row of a join turns from ``joined`` to ``activated`` and never back to ``joined``,
and the inviter's number is the count of those rows.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from db.repositories.enrolments import get as enrolment_of
from db.statements import chunked, insert_ignore
from db.tables.campaigns import campaigns, enrolments
from db.tables.invitations import invitation_joins, invitations
from db.tables.people import people
from domain.campaigns.invitation_doubts import (
    BURST,
    CLIENT_WINDOW,
    VELOCITY_WINDOW,
    DoubtReason,
    Joining,
    JoinStatus,
    doubts,
)
from domain.campaigns.invitations import Attribution, Channel, expires_at
from domain.campaigns.members import Place, shard_of
from domain.campaigns.plan import CampaignPlan, InvitationMode
from domain.campaigns.terms import OPEN_STATUSES
from domain.ids import new_id
from domain.people import PersonStatus

CODE_BYTES = 16
_KEYS = 5_000
_OPEN = [status.value for status in OPEN_STATUSES]
_JOINED, _ACTIVATED = JoinStatus.JOINED.value, JoinStatus.ACTIVATED.value


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
    row = {
        "id": new_id(),
        "campaign_id": campaign_id,
        "inviter_id": inviter_id,
        "channel": channel.value,
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
    """Return somebody's invitations to a campaign, newest first (one or two, and those that ended)."""
    own = and_(invitations.c.campaign_id == campaign_id, invitations.c.inviter_id == inviter_id)
    return list(conn.execute(select(invitations).where(own).order_by(invitations.c.id.desc()).limit(100)))


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


def first_activated(conn: Connection, campaign_id: str, inviter_id: str, number: int) -> frozenset[str]:
    """Return the ids of the first ``number`` joins that counted for an inviter: those that are rewarded."""
    found = (
        select(invitation_joins.c.id)
        .where(
            invitation_joins.c.campaign_id == campaign_id,
            invitation_joins.c.inviter_id == inviter_id,
            invitation_joins.c.status == _ACTIVATED,
        )
        .order_by(invitation_joins.c.activated_at, invitation_joins.c.id)
        .limit(number)
    )
    return frozenset(conn.execute(found).scalars())


def _usable(now: datetime) -> Any:
    """Select the invitations by which somebody can join now, with campaign and inviter."""
    takes_part = exists().where(
        enrolments.c.campaign_id == invitations.c.campaign_id,
        enrolments.c.person_id == invitations.c.inviter_id,
        enrolments.c.status == Place.ACTIVE.value,
    )
    return (
        select(
            invitations,
            campaigns.c.title,
            campaigns.c.summary,
            campaigns.c.plan,
            people.c.display_name.label("inviter_name"),
        )
        .join(campaigns, campaigns.c.id == invitations.c.campaign_id)
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
        _doubt_burst(conn, by.inviter_id, reason, client_hash, now)


def _burst(
    inviter_id: str, reason: DoubtReason, client_hash: str | None, now: datetime
) -> ColumnElement[bool]:
    """Whom the number behind ``reason`` counts."""
    by_client = reason is DoubtReason.MANY_FROM_ONE_CLIENT
    of_inviter = and_(
        invitation_joins.c.inviter_id == inviter_id,
        invitation_joins.c.joined_at > now - (CLIENT_WINDOW if by_client else VELOCITY_WINDOW),
    )
    return and_(of_inviter, invitation_joins.c.client_hash == client_hash) if by_client else of_inviter


def _doubt_burst(
    conn: Connection, inviter_id: str, reason: DoubtReason, client_hash: str | None, now: datetime
) -> None:
    undecided = and_(invitation_joins.c.status == _JOINED, invitation_joins.c.decided_at.is_(None))
    conn.execute(
        update(invitation_joins)
        .where(_burst(inviter_id, reason, client_hash, now), undecided)
        .values(status=JoinStatus.DOUBTFUL.value, reasons=[reason.value])
    )


def doubts_about(
    conn: Connection, friend_id: str, inviter_id: str, client_hash: str | None, now: datetime
) -> tuple[DoubtReason, ...]:
    """Return why the join of ``friend_id`` by ``inviter_id`` has to be looked at, nothing if it has not."""
    emails = dict(
        conn.execute(
            select(people.c.id, people.c.email).where(people.c.id.in_([friend_id, inviter_id]))
        ).all()
    )
    earlier = conn.execute(
        select(people.c.email)
        .join(invitation_joins, invitation_joins.c.friend_id == people.c.id)
        .where(invitation_joins.c.inviter_id == inviter_id, people.c.id != friend_id)
        .order_by(invitation_joins.c.joined_at.desc())
        .limit(200)
    ).scalars()
    joining = Joining(
        email=emails[friend_id],
        accounts_alike=[emails[inviter_id], *earlier],
        invited_the_inviter=_invited(conn, friend_id, inviter_id),
        in_window=1 + _count(conn, _burst(inviter_id, DoubtReason.VELOCITY, None, now)),
        of_client=1
        + (
            _count(conn, _burst(inviter_id, DoubtReason.MANY_FROM_ONE_CLIENT, client_hash, now))
            if client_hash
            else 0
        ),
    )
    return doubts(joining)


def _count(conn: Connection, which: ColumnElement[bool]) -> int:
    return conn.execute(select(func.count()).select_from(invitation_joins).where(which)).scalar_one()


_LONGEST_RING = 6


def _invited(conn: Connection, inviter_id: str, friend_id: str) -> bool:
    """Tell whether ``inviter_id`` stands above ``friend_id`` in the chain of who invited whom."""
    above = {friend_id}
    seen: set[str] = set()
    for _ in range(_LONGEST_RING):
        seen |= above
        by_join = select(invitation_joins.c.inviter_id).where(invitation_joins.c.friend_id.in_(sorted(above)))
        by_account = select(people.c.invited_by).where(
            people.c.id.in_(sorted(above)), people.c.invited_by.is_not(None)
        )
        above = set(conn.execute(by_join.union(by_account)).scalars()) - seen
        if inviter_id in above:
            return True
        if not above:
            return False
    return False


def activate_page(
    conn: Connection, row: Row[Any], after: tuple[int, str], end: tuple[int, str], now: datetime
) -> None:
    """Count the friends who have become active, for the inviters of one page; done again it changes nothing.

    ``row`` is the campaign's; the page are the places (shard, person) past ``after`` and up to ``end``.
    Only rows of these inviters are written: pages of other shards, which run at the same time, hold theirs.
    """
    needed = CampaignPlan.model_validate(row.plan).invitations.activating_check_ins
    place = tuple_(invitation_joins.c.inviter_shard, invitation_joins.c.inviter_id)
    active = (
        select(invitation_joins.c.friend_id, invitation_joins.c.inviter_id)
        .join(
            enrolments,
            and_(
                enrolments.c.campaign_id == invitation_joins.c.campaign_id,
                enrolments.c.person_id == invitation_joins.c.friend_id,
            ),
        )
        .join(people, people.c.id == invitation_joins.c.friend_id)
        .where(
            invitation_joins.c.campaign_id == row.id,
            place > tuple_(*after),
            place <= tuple_(*end),
            # As it stands in the index, which databases use for no bound value.
            invitation_joins.c.status == literal_column(f"'{_JOINED}'"),
            enrolments.c.days_done >= needed,
            enrolments.c.status != Place.REMOVED.value,
            people.c.status == PersonStatus.ACTIVE.value,
        )
    )
    found = conn.execute(active).all()
    if found:
        _activate(conn, row.id, [one.friend_id for one in found], {one.inviter_id for one in found}, now)


def _activate(
    conn: Connection, campaign_id: str, friend_ids: Sequence[str], inviters: Collection[str], now: datetime
) -> None:
    for part in chunked(friend_ids, _KEYS):
        conn.execute(
            update(invitation_joins)
            .where(
                invitation_joins.c.campaign_id == campaign_id,
                invitation_joins.c.friend_id.in_(part),
                invitation_joins.c.status == _JOINED,
            )
            .values(status=_ACTIVATED, activated_at=now)
        )
    counted = (
        select(func.count())
        .select_from(invitation_joins)
        .where(
            invitation_joins.c.campaign_id == campaign_id,
            invitation_joins.c.inviter_id == enrolments.c.person_id,
            invitation_joins.c.status == _ACTIVATED,
        )
        .scalar_subquery()
    )
    for part in chunked(sorted(inviters), _KEYS):
        conn.execute(
            update(enrolments)
            .where(enrolments.c.campaign_id == campaign_id, enrolments.c.person_id.in_(part))
            .values(friends_activated=counted)
        )


def doubtful(conn: Connection, after: str | None, limit: int) -> list[Row[Any]]:
    """Return the doubtful joins that wait for staff, the oldest first."""
    inviter = people.alias("inviter")
    found = (
        select(
            invitation_joins,
            people.c.display_name.label("friend_name"),
            inviter.c.display_name.label("inviter_name"),
            campaigns.c.title,
        )
        .join(people, people.c.id == invitation_joins.c.friend_id)
        .join(inviter, inviter.c.id == invitation_joins.c.inviter_id)
        .join(campaigns, campaigns.c.id == invitation_joins.c.campaign_id)
        .where(invitation_joins.c.status == literal_column(f"'{JoinStatus.DOUBTFUL.value}'"))
    )
    if after is not None:
        found = found.where(invitation_joins.c.id > after)
    return list(conn.execute(found.order_by(invitation_joins.c.id).limit(limit)))


def get_join(conn: Connection, join_id: str) -> Row[Any] | None:
    """Return one join."""
    return conn.execute(select(invitation_joins).where(invitation_joins.c.id == join_id)).one_or_none()


def decide(conn: Connection, join_id: str, *, counts: bool, actor_id: str, now: datetime) -> bool:
    """Decide about a doubtful join; False if it is not doubtful (any more).

    One that counts is counted at the next close of a day, if the friend is active enough by then.
    """
    doubtful_one = and_(
        invitation_joins.c.id == join_id, invitation_joins.c.status == JoinStatus.DOUBTFUL.value
    )
    decided = conn.execute(
        update(invitation_joins)
        .where(doubtful_one)
        .values(status=_JOINED if counts else JoinStatus.REJECTED.value, decided_by=actor_id, decided_at=now),
        execution_options={"preserve_rowcount": True},
    )
    if decided.rowcount == 0:
        return False
    one = get_join(conn, join_id)
    assert one is not None
    conn.execute(
        update(enrolments)
        .where(enrolments.c.campaign_id == one.campaign_id, enrolments.c.person_id == one.friend_id)
        .values(new_member=counts and one.new_member)
    )
    return True


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


def sever(conn: Connection, friend_id: str, now: datetime) -> int:
    """Cut somebody off from all who invited them; return how many joins that changed.

    Who was not active yet never counts. What already counts stays a number without a name. That the
    account came by an invitation is kept, for reviewers who must not decide about friends.
    """
    own = and_(invitation_joins.c.friend_id == friend_id, invitation_joins.c.severed_at.is_(None))
    waiting = (_JOINED, JoinStatus.DOUBTFUL.value)
    # Enrolments before joins, as the close of a day writes them.
    conn.execute(
        update(enrolments)
        .where(enrolments.c.person_id == friend_id, enrolments.c.invited_by.is_not(None))
        .values(invited_by=None)
    )
    conn.execute(
        update(invitation_joins)
        .where(own, invitation_joins.c.status.in_(waiting))
        .values(status=JoinStatus.REJECTED.value)
    )
    severed = update(invitation_joins).where(own).values(severed_at=now)
    return int(conn.execute(severed, execution_options={"preserve_rowcount": True}).rowcount)
