"""Notes that are shown to everybody: featured by the leader, with the author's say, and taken down.

Whether a note can be shown is asked each time that it is: whoever declined, left or is gone is not shown
from that instant, whatever else has been written by then.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update

from db.statements import upsert
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people
from db.tables.shares import (
    check_in_pictures,
    featured_notes,
    private_notes,
    share_joins,
    share_visits,
    sharing_choices,
)
from domain.campaigns.members import Place
from domain.campaigns.requirements import visible
from domain.campaigns.sharing import FeatureRefusal, SharingChoice
from domain.campaigns.terms import OPEN_STATUSES, Status
from domain.ids import new_id
from domain.people import PersonStatus

CODE_BYTES = 16
SHOWN_IN = OPEN_STATUSES | {Status.SETTLING, Status.SETTLED}
_SHOWN = [status.value for status in SHOWN_IN]
_CHOICE: Any = func.coalesce(sharing_choices.c.choice, SharingChoice.NAMED.value)
_PRIVATE = exists().where(private_notes.c.check_in_id == check_ins.c.id)

_NOTES = (
    check_ins.join(campaigns, campaigns.c.id == check_ins.c.campaign_id)
    .join(people, people.c.id == check_ins.c.person_id)
    .join(
        enrolments,
        and_(
            enrolments.c.campaign_id == check_ins.c.campaign_id,
            enrolments.c.person_id == check_ins.c.person_id,
        ),
    )
    .outerjoin(
        sharing_choices,
        and_(
            sharing_choices.c.campaign_id == check_ins.c.campaign_id,
            sharing_choices.c.person_id == check_ins.c.person_id,
        ),
    )
)


class Featured(NamedTuple):
    """A featured note: its code, since when, and whether it is that only now."""

    code: str
    featured_at: datetime
    is_new: bool


def locked_note(conn: Connection, check_in_id: str) -> Any:
    """Return a check-in with what decides whether it can be featured, and hold what would change that."""
    own = select(check_ins.c.campaign_id, check_ins.c.person_id).where(check_ins.c.id == check_in_id)
    found = conn.execute(own).one_or_none()
    if found is None:
        return None
    # In the order of who leaves: the campaign first. So a note is featured before or after, not meanwhile.
    held = select(campaigns.c.id).where(campaigns.c.id == found.campaign_id)
    conn.execute(held.with_for_update(key_share=True))
    return note(conn, check_in_id)


def note(conn: Connection, check_in_id: str) -> Any:
    """Return the same as it is now, for who only reads."""
    return conn.execute(
        select(
            check_ins.c.id,
            check_ins.c.campaign_id,
            check_ins.c.person_id,
            check_ins.c.day,
            check_ins.c.note,
            campaigns.c.leader_id,
            campaigns.c.title,
            campaigns.c.status,
            enrolments.c.status.label("place_taken"),
            people.c.status.label("person_status"),
            people.c.good_standing,
            _CHOICE.label("choice"),
            _PRIVATE.label("private"),
        )
        .select_from(_NOTES)
        .where(check_ins.c.id == check_in_id)
    ).one_or_none()


def refusal(note: Any) -> FeatureRefusal | None:
    """Return why the note of ``locked_note`` cannot be featured, or None."""
    if (
        note.place_taken != Place.ACTIVE
        or note.person_status != PersonStatus.ACTIVE
        or not note.good_standing
    ):
        return FeatureRefusal.AUTHOR_GONE
    if note.private or note.choice == SharingChoice.DECLINED:
        return FeatureRefusal.DECLINED
    return None if visible(note.note) else FeatureRefusal.NOTHING_TO_SHOW


def feature(conn: Connection, note: Any, actor_id: str, now: datetime) -> Featured:
    """Show a note to everybody; one that was shown before has its old address again. ``now``: wall clock."""
    own = featured_notes.c.check_in_id == note.id
    known = conn.execute(select(featured_notes).where(own)).one_or_none()
    if known is not None and known.ended_at is None:
        return Featured(known.code, known.featured_at, is_new=False)
    conn.execute(update(check_ins).where(_check_in(note)).values(featured_at=now))
    if known is not None:
        again = {"ended_at": None, "featured_at": now, "featured_by": actor_id}
        conn.execute(update(featured_notes).where(own).values(**again))
        return Featured(known.code, now, is_new=True)
    code = secrets.token_urlsafe(CODE_BYTES)
    conn.execute(
        insert(featured_notes).values(
            id=new_id(),
            campaign_id=note.campaign_id,
            check_in_id=note.id,
            author_id=note.person_id,
            code=code,
            featured_at=now,
            featured_by=actor_id,
        )
    )
    return Featured(code, now, is_new=True)


def _check_in(note: Any) -> Any:
    return and_(
        check_ins.c.campaign_id == note.campaign_id,
        check_ins.c.day == note.day,
        check_ins.c.person_id == note.person_id,
    )


def take_down(conn: Connection, note: Any, now: datetime) -> bool:
    """Take one note down; False if it was not shown."""
    return _end(conn, featured_notes.c.check_in_id == note.id, now) > 0


def take_down_of(conn: Connection, campaign_id: str, person_id: str, now: datetime) -> int:
    """Take down everything that somebody wrote in a campaign; return how many notes it was."""
    whose = and_(featured_notes.c.author_id == person_id, featured_notes.c.campaign_id == campaign_id)
    return _end(conn, whose, now)


def _end(conn: Connection, wanted: Any, now: datetime) -> int:
    shown = and_(wanted, featured_notes.c.ended_at.is_(None))
    rows = conn.execute(select(featured_notes.c.id, featured_notes.c.check_in_id).where(shown)).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    conn.execute(update(featured_notes).where(featured_notes.c.id.in_(ids)).values(ended_at=now))
    named = [row.check_in_id for row in rows]
    conn.execute(update(check_ins).where(check_ins.c.id.in_(named)).values(featured_at=None))
    return len(rows)


def set_private(conn: Connection, note: Any, private: bool, now: datetime) -> None:
    """Keep one note private, and take it down; or allow again that it is featured."""
    if private:
        upsert(
            conn, private_notes, [{"check_in_id": note.id}], conflict=["check_in_id"], update=["check_in_id"]
        )
        take_down(conn, note, now)
    else:
        conn.execute(delete(private_notes).where(private_notes.c.check_in_id == note.id))


def choose(conn: Connection, campaign_id: str, person_id: str, choice: SharingChoice, now: datetime) -> None:
    """Write what a member decided about the notes of a campaign; declined, all of them are taken down."""
    # So that no note is featured by a choice that was read before this one.
    conn.execute(select(campaigns.c.id).where(campaigns.c.id == campaign_id).with_for_update(key_share=True))
    row = {"campaign_id": campaign_id, "person_id": person_id, "choice": choice.value}
    upsert(conn, sharing_choices, [row], conflict=["campaign_id", "person_id"], update=["choice"])
    if choice is SharingChoice.DECLINED:
        take_down_of(conn, campaign_id, person_id, now)


def choice_of(conn: Connection, campaign_id: str, person_id: str) -> SharingChoice:
    """Return what a member decided."""
    own = and_(sharing_choices.c.campaign_id == campaign_id, sharing_choices.c.person_id == person_id)
    found = conn.execute(select(sharing_choices.c.choice).where(own)).scalar_one_or_none()
    return SharingChoice(found) if found else SharingChoice.NAMED


_LIVE: Any = and_(
    featured_notes.c.ended_at.is_(None),
    enrolments.c.status == Place.ACTIVE.value,
    people.c.status == PersonStatus.ACTIVE.value,
    people.c.good_standing,
    SharingChoice.DECLINED.value != _CHOICE,
    ~_PRIVATE,
    campaigns.c.status.in_(_SHOWN),
)
_PUBLIC = select(
    featured_notes.c.id,
    featured_notes.c.code,
    featured_notes.c.campaign_id,
    featured_notes.c.featured_at,
    check_ins.c.note,
    check_ins.c.day,
    check_ins.c.person_id.label("author_id"),
    campaigns.c.title,
    campaigns.c.summary,
    campaigns.c.status,
    campaigns.c.day.label("campaign_day"),
    campaigns.c.seats_taken,
    campaigns.c.plan,
    campaigns.c.leader_id,
    campaigns.c.length_days,
    campaigns.c.clock_offset_seconds,
    case((SharingChoice.ANONYMOUS.value == _CHOICE, ""), else_=people.c.display_name).label("author"),
    func.coalesce(_LIVE, False).label("live"),
).select_from(featured_notes.outerjoin(_NOTES, featured_notes.c.check_in_id == check_ins.c.id))


def by_code(conn: Connection, code: str) -> Any:
    """Return what stands at an address: ``live`` tells whether it is shown; None if there never was any."""
    return conn.execute(_PUBLIC.where(featured_notes.c.code == code)).one_or_none()


def shown(conn: Connection, campaign_id: str, before: str | None, limit: int) -> Sequence[Any]:
    """Return the notes of a campaign that everybody may see now, as at their addresses, newest first."""
    wanted = [featured_notes.c.campaign_id == campaign_id, _LIVE]
    if before is not None:
        wanted.append(featured_notes.c.id < before)
    return conn.execute(_PUBLIC.where(*wanted).order_by(featured_notes.c.id.desc()).limit(limit)).all()


def _counted(table: Any) -> Any:
    return (
        select(func.count())
        .select_from(table)
        .where(table.c.featured_id == featured_notes.c.id)
        .scalar_subquery()
    )


def listed(
    conn: Connection, campaign_id: str, before: str | None, limit: int, author_id: str | None = None
) -> Sequence[Any]:
    """Return featured notes with their visits and joins, newest first; of ``author_id`` alone, if given."""
    wanted = [featured_notes.c.campaign_id == campaign_id, featured_notes.c.ended_at.is_(None)]
    if before is not None:
        wanted.append(featured_notes.c.id < before)
    if author_id is not None:
        wanted.append(featured_notes.c.author_id == author_id)
    return conn.execute(
        select(
            featured_notes.c.id,
            featured_notes.c.check_in_id,
            featured_notes.c.code,
            featured_notes.c.featured_at,
            check_ins.c.note,
            check_ins.c.day,
            people.c.display_name,
            people.c.id.label("person_id"),
            _counted(share_visits).label("visits"),
            _counted(share_joins).label("joins"),
        )
        .join(check_ins, check_ins.c.id == featured_notes.c.check_in_id)
        .join(people, people.c.id == check_ins.c.person_id)
        .where(*wanted)
        .order_by(featured_notes.c.id.desc())
        .limit(limit)
    ).all()


def notes(
    conn: Connection,
    campaign_id: str,
    *,
    day: int | None,
    longest: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> Sequence[Any]:
    """Return notes of a campaign as its leader reads them: newest day first, or the longest first.

    ``after`` holds where the page before ended: ``place`` (day or length), day and person.
    """
    length = func.length(check_ins.c.note)
    place = length if longest else check_ins.c.day
    wanted = [check_ins.c.campaign_id == campaign_id]
    if day is not None:
        wanted.append(check_ins.c.day == day)
    if after is not None:
        at, last_day, person = after
        below = or_(
            check_ins.c.day < last_day, and_(check_ins.c.day == last_day, check_ins.c.person_id > person)
        )
        wanted.append(or_(place < at, and_(place == at, below)))
    return conn.execute(
        select(
            check_ins.c.id,
            check_ins.c.day,
            check_ins.c.note,
            check_ins.c.link,
            check_ins.c.at,
            check_ins.c.featured_at,
            check_ins.c.person_id,
            people.c.display_name,
            people.c.status.label("person_status"),
            people.c.good_standing,
            enrolments.c.status.label("place_taken"),
            _CHOICE.label("choice"),
            _PRIVATE.label("private"),
            check_in_pictures.c.id.label("picture_id"),
            place.label("place"),
        )
        .select_from(_NOTES.outerjoin(check_in_pictures, check_in_pictures.c.check_in_id == check_ins.c.id))
        .where(*wanted)
        .order_by(place.desc(), check_ins.c.day.desc(), check_ins.c.person_id)
        .limit(limit)
    ).all()


def own_private(conn: Connection, campaign_id: str, person_id: str) -> frozenset[str]:
    """Return those of a member's check-ins whose notes are kept private."""
    own = and_(check_ins.c.campaign_id == campaign_id, check_ins.c.person_id == person_id)
    ids = select(private_notes.c.check_in_id).join(check_ins, check_ins.c.id == private_notes.c.check_in_id)
    return frozenset(conn.execute(ids.where(own)).scalars())


def id_of(conn: Connection, check_in_id: str) -> str | None:
    """Return the id under which a note is or was featured."""
    own = featured_notes.c.check_in_id == check_in_id
    return conn.execute(select(featured_notes.c.id).where(own)).scalar_one_or_none()
