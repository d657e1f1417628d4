"""Doubtful joins: why one is looked at, the burst that it belongs to, and what staff decide."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    func,
    literal_column,
    select,
    update,
)

from db.tables.campaigns import campaigns, enrolments
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.invitation_doubts import (
    CLIENT_WINDOW,
    VELOCITY_WINDOW,
    DoubtReason,
    Joining,
    JoinStatus,
    doubts,
)

_LONGEST_RING = 6


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


def hold_burst(
    conn: Connection, inviter_id: str, reason: DoubtReason, client_hash: str | None, now: datetime
) -> None:
    """Hold every undecided join of the burst that ``reason`` counts: the first of it as the last."""
    undecided = and_(
        invitation_joins.c.status == JoinStatus.JOINED.value, invitation_joins.c.decided_at.is_(None)
    )
    conn.execute(
        update(invitation_joins)
        .where(_burst(inviter_id, reason, client_hash, now), undecided)
        .values(status=JoinStatus.DOUBTFUL.value, reasons=[reason.value])
    )


def _count(conn: Connection, which: ColumnElement[bool]) -> int:
    return conn.execute(select(func.count()).select_from(invitation_joins).where(which)).scalar_one()


def _shown() -> Select[Any]:
    inviter = people.alias("inviter")
    return (
        select(
            invitation_joins,
            people.c.display_name.label("friend_name"),
            inviter.c.display_name.label("inviter_name"),
            campaigns.c.title,
        )
        .join(people, people.c.id == invitation_joins.c.friend_id)
        .join(inviter, inviter.c.id == invitation_joins.c.inviter_id)
        .join(campaigns, campaigns.c.id == invitation_joins.c.campaign_id)
    )


# As it stands in the index, which databases use for no bound value.
_DOUBTFUL = invitation_joins.c.status == literal_column(f"'{JoinStatus.DOUBTFUL.value}'")


def doubtful(
    conn: Connection, after: str | None, limit: int, reason: DoubtReason | None = None
) -> list[Row[Any]]:
    """Return the doubtful joins that wait for staff, all or those with ``reason``, the oldest first."""
    found = _shown().where(_DOUBTFUL)
    if reason is not None:
        found = found.where(cast(invitation_joins.c.reasons, Text).contains(f'"{reason.value}"'))
    if after is not None:
        found = found.where(invitation_joins.c.id > after)
    return list(conn.execute(found.order_by(invitation_joins.c.id).limit(limit)))


def are_open(conn: Connection, campaign_id: str) -> bool:
    """Tell whether anybody of a campaign waits for a decision."""
    waiting = select(invitation_joins.c.id).where(_DOUBTFUL, invitation_joins.c.campaign_id == campaign_id)
    return conn.execute(waiting.limit(1)).first() is not None


def get_join(conn: Connection, join_id: str) -> Row[Any] | None:
    """Return one join with the names of friend and inviter, and the title of the campaign."""
    return conn.execute(_shown().where(invitation_joins.c.id == join_id)).one_or_none()


def locked_campaign(conn: Connection, campaign_id: str) -> Row[Any]:
    """Return a join's campaign, which cannot begin to settle before this transaction ends."""
    wanted = select(campaigns).where(campaigns.c.id == campaign_id)
    return conn.execute(wanted.with_for_update(key_share=True)).one()


def decide(
    conn: Connection, join_id: str, *, counts: bool, actor_id: str, note_id: str | None, now: datetime
) -> bool:
    """Decide about a doubtful join; False if it is not doubtful (any more).

    One that counts is counted with the others, if the friend is active enough by then.
    """
    doubtful_one = and_(
        invitation_joins.c.id == join_id, invitation_joins.c.status == JoinStatus.DOUBTFUL.value
    )
    decided = conn.execute(
        update(invitation_joins)
        .where(doubtful_one)
        .values(
            status=JoinStatus.JOINED.value if counts else JoinStatus.REJECTED.value,
            decided_by=actor_id,
            decided_at=now,
            note_id=note_id,
        ),
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
