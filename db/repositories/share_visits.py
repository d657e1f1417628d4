"""What came of notes that are shown to everybody: visits, shares, and who joined by them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, or_, select

from db.repositories import requests
from db.statements import insert_ignore
from db.tables.campaigns import enrolments
from db.tables.shares import featured_notes, note_shares, share_joins, share_visits
from domain.campaigns.sharing import ShareChannel


class Reach(NamedTuple):
    """What came of all notes that a campaign featured, those taken down since included."""

    notes: int
    visits: int
    joins: int


def visit(conn: Connection, featured_id: str, visitor: str, host: str, now: datetime) -> bool:
    """Count a visit, once a visitor; tell whether it was the first.

    ``host``: where from, or empty. ``now``: the campaign's own time (UTC).
    """
    day = now.date().isoformat()
    row = {"featured_id": featured_id, "visitor": visitor, "day": day, "referrer_host": host}
    return insert_ignore(conn, share_visits, [row], conflict=["featured_id", "visitor"]) == 1


def visit_of_unknown(
    conn: Connection, featured_id: str, visitor: str, host: str, now: datetime, limit: tuple[str, int, int]
) -> bool:
    """Count a visit of a client that keeps no cookie yet, unless it has come as too many visitors.

    ``limit``: the bucket that its visits are counted in, the window (a number), and how many are believed.
    """
    bucket, window, most = limit
    return requests.hit(conn, bucket, window) <= most and visit(conn, featured_id, visitor, host, now)


def by_day(conn: Connection, featured_id: str) -> Sequence[Row[Any]]:
    """Return the visits of a note by day and host, newest day first."""
    return conn.execute(
        select(share_visits.c.day, share_visits.c.referrer_host, func.count().label("visits"))
        .where(share_visits.c.featured_id == featured_id)
        .group_by(share_visits.c.day, share_visits.c.referrer_host)
        .order_by(share_visits.c.day.desc(), func.count().desc(), share_visits.c.referrer_host)
    ).all()


def by_day_of_all(conn: Connection, campaign_id: str) -> Sequence[Row[Any]]:
    """Return the visitors of a campaign's notes, those taken down included, by the day of their first visit.

    Who has looked at several notes is one visitor here.
    """
    first = (
        select(func.min(share_visits.c.day).label("day"))
        .join(featured_notes, featured_notes.c.id == share_visits.c.featured_id)
        .where(featured_notes.c.campaign_id == campaign_id)
        .group_by(share_visits.c.visitor)
        .subquery()
    )
    counted = select(first.c.day, func.count().label("visits"))
    return conn.execute(counted.group_by(first.c.day).order_by(first.c.day.desc())).all()


def share(
    conn: Connection, note: Any, sharer: str, person_id: str | None, channel: ShareChannel, now: datetime
) -> bool:
    """Note that somebody passed a note on, once a channel; tell whether that was the first time."""
    row = {
        "featured_id": note.id,
        "sharer": sharer,
        "channel": channel.value,
        "campaign_id": note.campaign_id,
        "person_id": person_id,
        "at": now,
    }
    return insert_ignore(conn, note_shares, [row], conflict=["featured_id", "sharer", "channel"]) == 1


def shares_between(conn: Connection, campaign_id: str, since: datetime, until: datetime) -> int:
    """Count notes passed on, ``since`` included, ``until`` not: the campaign's, and any by its members."""
    members = select(enrolments.c.person_id).where(enrolments.c.campaign_id == campaign_id)
    concerned = or_(note_shares.c.campaign_id == campaign_id, note_shares.c.person_id.in_(members))
    counted = select(func.count()).select_from(note_shares)
    within = and_(note_shares.c.at >= since, note_shares.c.at < until)
    return int(conn.execute(counted.where(concerned, within)).scalar_one())


def joined(
    conn: Connection,
    campaign_id: str,
    person_id: str,
    followed: Sequence[tuple[str, datetime]],
    now: datetime,
) -> bool:
    """Note that who has just enrolled followed one of the campaign's notes, the last one that is not theirs.

    ``followed``: ids of featured notes and when each was last opened.
    """
    if not followed:
        return False
    at = dict(followed)
    rows = conn.execute(
        select(featured_notes.c.id, featured_notes.c.author_id).where(
            featured_notes.c.id.in_(sorted(at)), featured_notes.c.campaign_id == campaign_id
        )
    )
    last = max((row.id for row in rows if row.author_id != person_id), key=at.__getitem__, default=None)
    if last is None:
        return False
    row = {"campaign_id": campaign_id, "person_id": person_id, "featured_id": last, "joined_at": now}
    return insert_ignore(conn, share_joins, [row], conflict=["campaign_id", "person_id"]) == 1


def reach(conn: Connection, campaign_id: str) -> Reach:
    """Return what came of the campaign's notes."""
    own = featured_notes.c.campaign_id == campaign_id
    visits = (
        select(func.count())
        .select_from(share_visits)
        .join(featured_notes, featured_notes.c.id == share_visits.c.featured_id)
        .where(own)
    )
    return Reach(
        int(conn.execute(select(func.count()).select_from(featured_notes).where(own)).scalar_one()),
        int(conn.execute(visits).scalar_one()),
        int(
            conn.execute(
                select(func.count()).select_from(share_joins).where(share_joins.c.campaign_id == campaign_id)
            ).scalar_one()
        ),
    )
