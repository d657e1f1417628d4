"""Bulk work on a campaign's members, page by page: each page is one transaction that can be done again.

A page is a run of a shard's enrolments in the order of their people, which is the order of the rows that
are written for them: pages in another touch every page of a large index again and again. Its cursor is its
last person.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    Update,
    bindparam,
    case,
    exists,
    false,
    func,
    select,
    update,
)

from contracts.campaigns import BulkInput, BulkResult
from contracts.mail import MailRequest
from db.repositories import invitation_activation, mail
from db.repositories.check_in_records import rules_of
from db.repositories.mail import RowMail
from db.statements import AsOne, undone_by_its_caller
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people
from domain.campaigns.members import SHARDS, Place
from domain.mail import MailTemplate

Cursor = str
"""The id of the person with whom a page ends."""


class Page(NamedTuple):
    """One page: where it ends (None: there was nothing left), and how many rows it changed or queued."""

    end: Cursor | None
    rows: int


def page_end(conn: Connection, given: BulkInput, after: Cursor | None, size: int) -> Cursor | None:
    """Return where the next page of at most ``size`` enrolments ends, None if there is none."""
    person = enrolments.c.person_id
    ends = select(person).where(*in_page(given, after))
    last = conn.execute(ends.order_by(person).offset(size - 1).limit(1)).scalar()
    return last or conn.execute(ends.order_by(person.desc()).limit(1)).scalar()


def in_page(given: BulkInput, after: Cursor | None, end: Cursor | None = None) -> list[ColumnElement[bool]]:
    within = _in_shard(given.campaign_id, given.first, given.last, whole=is_whole(given))
    if after is not None:
        within.append(enrolments.c.person_id > after)
    if end is not None:
        within.append(enrolments.c.person_id <= end)
    return within


def _in_shard(campaign_id: Any, first: Any, last: Any, *, whole: bool) -> list[ColumnElement[bool]]:
    """Return what limits a statement to one shard; to nothing but the campaign if that is its only one.

    Asked for a shard, SQLite goes by way of an index and looks each row up by itself.
    """
    shard = [] if whole else [enrolments.c.shard >= first, enrolments.c.shard < last]
    return [enrolments.c.campaign_id == campaign_id, *shard]


def is_whole(given: BulkInput) -> bool:
    """Tell whether a shard is the only one of its campaign."""
    return (given.first, given.last) == (0, SHARDS)


# Not called as the column is: an update takes that for what it sets.
_CAMPAIGN_ID = bindparam("campaign", type_=String())
_DAY = bindparam("day", type_=Integer())
_MISSED = bindparam("missed", type_=Integer())
_CAMPAIGN: dict[str, ColumnElement[Any]] = {
    "campaign_id": _CAMPAIGN_ID,
    "title": bindparam("title", type_=String()),
}


def _page(*, whole: bool) -> list[ColumnElement[bool]]:
    """Return ``in_page`` of a statement that is made once."""
    first, last = [bindparam(f"{edge}_shard", type_=Integer()) for edge in ("first", "last")]
    return [
        *_in_shard(_CAMPAIGN_ID, first, last, whole=whole),
        enrolments.c.person_id > bindparam("after", type_=String()),
        enrolments.c.person_id <= bindparam("end", type_=String()),
    ]


def _bound(given: BulkInput, after: Cursor | None, end: Cursor) -> dict[str, Any]:
    """Return what such a statement is given."""
    shard = {} if is_whole(given) else {"first_shard": given.first, "last_shard": given.last}
    return {"campaign": given.campaign_id, "after": after or "", "end": end, "day": given.day} | shard


def _checked_in(campaign_id: Any, day: Any) -> list[ColumnElement[bool]]:
    return [
        check_ins.c.campaign_id == campaign_id,
        check_ins.c.day == day,
        check_ins.c.person_id == enrolments.c.person_id,
    ]


def _days_done(campaign_id: Any, day: Any) -> ColumnElement[int]:
    """Return 1 for members who have checked in on the day, else 0.

    Their last day tells, except of those who have gone on to a later one: only these are looked up. As a
    number, because PostgreSQL would read all check-ins of the day to look for a few.
    """
    looked_up = select(func.count()).where(*_checked_in(campaign_id, day)).scalar_subquery()
    return case((enrolments.c.last_day < day, 0), (enrolments.c.last_day == day, 1), else_=looked_up)


def close_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Close the day for one page of members: streaks that broke, days missed, and a nudge after some.

    After the last day to join on, whoever still waits is told that no place came free.
    A member who has checked in on a later day already keeps the streak that began there.
    """
    end = page_end(conn, given, after, size)
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    invitation_activation.activate_page(conn, row, (given.first, given.last), after or "", end, now)
    if end is None:
        return Page(None, 0)
    rules = rules_of(conn, row)
    resting = given.day in rules.rest
    changed = conn.execute(
        _closing(is_whole(given), resting),
        _bound(given, after, end),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if not resting:
        values = {"missed": given.nudge_after}
        _queue(conn, _nudges, given, MailTemplate.CAMPAIGN_NUDGE, (after, end), values, now)
    # Where one joins before the start only, day 1 told them as it opened, unless its process is from before.
    if given.day == max(1, rules.plan.last_joining_day):
        _say_farewell(conn, given, (after, end), now)
    return Page(end, int(changed))


@lru_cache(maxsize=4)
def _closing(whole: bool, resting: bool) -> Update:
    """Return what closes the day for a page; a resting day breaks no streak and is missed by nobody."""
    silent = enrolments.c.last_day < _DAY
    changes: dict[str, Any] = {
        "closed_through": _DAY,
        "missed_in_a_row": case((silent, enrolments.c.missed_in_a_row + (0 if resting else 1)), else_=0),
    }
    if not resting:
        changes["missed"] = enrolments.c.missed + 1 - _days_done(_CAMPAIGN_ID, _DAY)
        changes["streak"] = case((silent, 0), else_=enrolments.c.streak)
    return (
        undone_by_its_caller(update(enrolments))
        .where(
            *_page(whole=whole),
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.first_day <= _DAY,
            enrolments.c.closed_through < _DAY,
        )
        .values(changes)
    )


@lru_cache(maxsize=4)
def _nudges(dialect: str, whole: bool) -> RowMail:
    """Return what queues a nudge to those of a page who have missed just so many days in a row."""
    silent = select(enrolments.c.person_id).where(
        *_page(whole=whole),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.closed_through == _DAY,
        enrolments.c.missed_in_a_row == _MISSED,
    )
    return RowMail(dialect, silent.subquery("silent"), _CAMPAIGN | {"missed": _MISSED}, list_mail=True)


def _say_farewell(
    conn: Connection, given: BulkInput, page: tuple[Cursor | None, Cursor], now: datetime
) -> int:
    """Tell those of a page who wait that no place came free: once, be it as a day opens or as it closes."""
    return _queue(conn, _farewells, given, MailTemplate.CAMPAIGN_NO_PLACE, page, {}, now)


@lru_cache(maxsize=4)
def _farewells(dialect: str, whole: bool) -> RowMail:
    """Return what tells those of a page who wait that they do so in vain."""
    waiting = select(enrolments.c.person_id).where(
        *_page(whole=whole), enrolments.c.status == Place.WAITING.value
    )
    return RowMail(dialect, waiting.subquery("waiting"), _CAMPAIGN, list_mail=False)


def _queue(
    conn: Connection,
    letters: Callable[[str, bool], RowMail],
    given: BulkInput,
    template: MailTemplate,
    page: tuple[Cursor | None, Cursor],
    values: dict[str, Any],
    now: datetime,
) -> int:
    title = conn.execute(select(campaigns.c.title).where(campaigns.c.id == given.campaign_id)).scalar_one()
    bound = _bound(given, *page) | {"title": title} | values
    made = letters(conn.dialect.name, is_whole(given))
    return made.queue(conn, f"{given.process_id}:{given.day}", given.process_id, template, bound, now)


def day_sums(conn: Connection, given: BulkInput) -> BulkResult:
    """Count a shard's members on a day that is closed, and how many of them checked in."""
    counted = select(
        func.count(), func.coalesce(func.sum(_days_done(given.campaign_id, given.day)), 0)
    ).where(
        *in_page(given, None),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.first_day <= given.day,
    )
    members, done = conn.execute(counted).one()
    return BulkResult(members=members, done=int(done))


def remind_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue the reminder to those of one page who asked for this hour and have not checked in today.

    Nobody gets one on a day that asks nothing, be it so by the plan or by an amnesty.
    """
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    end = page_end(conn, given, after, size)
    if end is None or given.day in rules_of(conn, row).rest:
        return Page(None, 0)
    values = {"slot": given.slot, "closes_at": row.day_closes_at.isoformat() if row.day_closes_at else None}
    queued = _queue(conn, _reminders, given, MailTemplate.CAMPAIGN_REMINDER, (after, end), values, now)
    return Page(end, queued)


@lru_cache(maxsize=4)
def _reminders(dialect: str, whole: bool) -> RowMail:
    """Return what queues a reminder to those of a page who asked for the hour and have not checked in."""
    checked_in = exists().where(*_checked_in(_CAMPAIGN_ID, _DAY))
    silent = (
        select(enrolments.c.person_id, enrolments.c.streak)
        .where(
            *_page(whole=whole),
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.reminder_hour == bindparam("slot", type_=Integer()),
            enrolments.c.first_day <= _DAY,
            ~checked_in,
        )
        .subquery("silent")
    )
    closes_at = bindparam("closes_at", type_=String())
    data = _CAMPAIGN | {"day": _DAY, "streak": silent.c.streak, "closes_at": closes_at}
    return RowMail(dialect, silent, data, list_mail=True)


def tell_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue a notice to those of one page whom it is for; the leader's own letter went out with the record.

    It says whether the reader takes part or waits, and of a day that goes on, whether it is done already.
    """
    end = page_end(conn, given, after, size)
    notice = given.notice
    if end is None or notice is None:
        return Page(None, 0)
    if notice.template is MailTemplate.CAMPAIGN_NO_PLACE:
        return Page(end, _say_farewell(conn, given.model_copy(update={"day": 1}), (after, end), now))
    reached_places = {Place.ACTIVE: notice.members, Place.WAITING: notice.waiting}
    places = [place.value for place, reached in reached_places.items() if reached]
    title, leader_id = conn.execute(
        select(campaigns.c.title, campaigns.c.leader_id).where(campaigns.c.id == given.campaign_id)
    ).one()
    day = notice.data["day"] if notice.template is MailTemplate.CAMPAIGN_RESUMED else None
    done = exists().where(*_checked_in(given.campaign_id, day)) if day else false()
    reached = select(enrolments.c.person_id, enrolments.c.status, done.label("done")).where(
        *in_page(given, after, end),
        enrolments.c.status.in_(places),
        enrolments.c.person_id != leader_id,
    )
    if notice.joined_by is not None:
        reached = reached.where(enrolments.c.first_day <= notice.joined_by)
    data = {"campaign_id": given.campaign_id, "title": title, **notice.data}
    requests = [
        MailRequest(
            key=f"{given.process_id}:notice:{given.number}:{reader.person_id}",
            template=notice.template,
            person_id=reader.person_id,
            process_id=given.process_id,
            data=data | {"place": reader.status, "done": bool(reader.done)},
        )
        for reader in conn.execute(reached)
    ]
    return Page(end, mail.queue(conn, requests, now))


_DONE = ("first_day", "days_done", "best_streak", "missed", "friends_activated")


def page_rows(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor) -> Sequence[Any]:
    """Return those of one page who take part, in its order: person, what was done, the person's status."""
    return sorted(_members(is_whole(given)).nameless(conn, _bound(given, after, end)))


@lru_cache(maxsize=2)
def _members(whole: bool) -> AsOne:
    columns = (enrolments.c[name] for name in ("person_id", *_DONE))
    rows = (
        select(*columns, people.c.status.label("person_status"))
        .join(people, people.c.id == enrolments.c.person_id)
        .where(*_page(whole=whole), enrolments.c.status == Place.ACTIVE.value)
    )
    return AsOne(dict.fromkeys(("sqlite", "postgresql"), rows))
