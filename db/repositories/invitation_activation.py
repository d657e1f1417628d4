"""Which friends count: a join turns from ``joined`` to ``activated``, never back to ``joined``.

The number of an inviter is the count of those rows.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, literal_column, select, update

from db.statements import chunked
from db.tables.campaigns import enrolments
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan
from domain.people import PersonStatus

_KEYS = 5_000
_JOINED, _ACTIVATED = JoinStatus.JOINED.value, JoinStatus.ACTIVATED.value


def activate_page(
    conn: Connection, row: Row[Any], shards: tuple[int, int], after: str, end: str | None, now: datetime
) -> None:
    """Count the friends who have become active, for the inviters of one page; done again it changes nothing.

    ``row`` is the campaign's; the page are the people of ``shards`` past ``after`` and up to ``end``, or all
    past it: a leader can invite without taking part, and stands behind the last page as well as in any.
    Only rows of these inviters are written: pages of other shards, which run at the same time, hold theirs.
    """
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
            invitation_joins.c.inviter_id > after,
            *([] if end is None else [invitation_joins.c.inviter_id <= end]),
            invitation_joins.c.inviter_shard >= shards[0],
            invitation_joins.c.inviter_shard < shards[1],
            # As it stands in the index, which databases use for no bound value.
            invitation_joins.c.status == literal_column(f"'{_JOINED}'"),
            *_active_enough(row),
        )
    )
    found = conn.execute(active).all()
    if found:
        _activate(conn, row.id, [one.friend_id for one in found], {one.inviter_id for one in found}, now)


def activate_one(conn: Connection, row: Row[Any], join: Row[Any], now: datetime) -> bool:
    """Count one friend at once, if active enough; ``row`` is the campaign's. Tell whether that is so."""
    active = (
        select(enrolments.c.person_id)
        .join(people, people.c.id == enrolments.c.person_id)
        .where(
            enrolments.c.campaign_id == row.id,
            enrolments.c.person_id == join.friend_id,
            *_active_enough(row),
        )
    )
    if conn.execute(active).first() is None:
        return False
    _activate(conn, row.id, [join.friend_id], {join.inviter_id}, now)
    return True


def _active_enough(row: Row[Any]) -> list[ColumnElement[bool]]:
    needed = CampaignPlan.model_validate(row.plan).invitations.activating_check_ins
    return [
        enrolments.c.days_done >= needed,
        enrolments.c.status != Place.REMOVED.value,
        people.c.status == PersonStatus.ACTIVE.value,
    ]


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
