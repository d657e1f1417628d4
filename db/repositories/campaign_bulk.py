"""Bulk work on a campaign's members, page by page: each page is one transaction that can be done again.

A page is a run of a shard's enrolments in the order of their people, which is the order of the rows that
are written for them: pages in another touch every page of a large index again and again. Its cursor is its
last person.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, select, update

from contracts.campaigns import BulkInput, BulkResult
from contracts.mail import MailRequest
from db.repositories import invitation_activation, mail
from db.repositories.check_in_records import rules_of
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people
from domain.campaigns.members import Place
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
    within = [
        enrolments.c.campaign_id == given.campaign_id,
        enrolments.c.shard >= given.first,
        enrolments.c.shard < given.last,
    ]
    if after is not None:
        within.append(enrolments.c.person_id > after)
    if end is not None:
        within.append(enrolments.c.person_id <= end)
    return within


def _checked_in(given: BulkInput) -> list[ColumnElement[bool]]:
    return [
        check_ins.c.campaign_id == given.campaign_id,
        check_ins.c.day == given.day,
        check_ins.c.person_id == enrolments.c.person_id,
    ]


def _days_done(given: BulkInput) -> ColumnElement[int]:
    """Return 1 for members who have checked in on the day, else 0.

    Their last day tells, except of those who have gone on to a later one: only these are looked up. As a
    number, because PostgreSQL would read all check-ins of the day to look for a few.
    """
    looked_up = select(func.count()).where(*_checked_in(given)).scalar_subquery()
    return case(
        (enrolments.c.last_day < given.day, 0), (enrolments.c.last_day == given.day, 1), else_=looked_up
    )


def close_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Close the day for one page of members: streaks that broke, days missed, and a nudge after some.

    A member who has checked in on a later day already keeps the streak that began there.
    """
    end = page_end(conn, given, after, size)
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    invitation_activation.activate_page(conn, row, (given.first, given.last), after or "", end, now)
    if end is None:
        return Page(None, 0)
    resting = given.day in rules_of(conn, row).rest
    silent = enrolments.c.last_day < given.day
    changes: dict[str, Any] = {
        "closed_through": given.day,
        "missed_in_a_row": case((silent, enrolments.c.missed_in_a_row + (0 if resting else 1)), else_=0),
    }
    if not resting:
        changes["missed"] = enrolments.c.missed + 1 - _days_done(given)
        changes["streak"] = case((silent, 0), else_=enrolments.c.streak)
    changed = conn.execute(
        update(enrolments)
        .where(
            *in_page(given, after, end),
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.first_day <= given.day,
            enrolments.c.closed_through < given.day,
        )
        .values(changes),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if not resting:
        _nudge(conn, given, after, end, now)
    return Page(end, int(changed))


def _nudge(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor, now: datetime) -> None:
    silent = select(enrolments.c.person_id).where(
        *in_page(given, after, end),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.closed_through == given.day,
        enrolments.c.missed_in_a_row == given.nudge_after,
    )
    silent_ones = list(conn.execute(silent).scalars())
    data = {"missed": given.nudge_after}
    _queue(conn, given, MailTemplate.CAMPAIGN_NUDGE, silent_ones, data, now)


def _queue(
    conn: Connection,
    given: BulkInput,
    template: MailTemplate,
    person_ids: Sequence[str],
    data: dict[str, Any],
    now: datetime,
) -> int:
    if not person_ids:
        return 0
    title = conn.execute(select(campaigns.c.title).where(campaigns.c.id == given.campaign_id)).scalar_one()
    shared = {"campaign_id": given.campaign_id, "title": title, **data}
    return mail.queue(
        conn,
        [
            MailRequest(
                key=f"{given.process_id}:{given.day}:{template}:{person_id}",
                template=template,
                person_id=person_id,
                process_id=given.process_id,
                data=shared,
                list_mail=True,
            )
            for person_id in person_ids
        ],
        now,
    )


def day_sums(conn: Connection, given: BulkInput) -> BulkResult:
    """Count a shard's members on a day that is closed, and how many of them checked in."""
    counted = select(func.count(), func.coalesce(func.sum(_days_done(given)), 0)).where(
        *in_page(given, None),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.first_day <= given.day,
    )
    members, done = conn.execute(counted).one()
    return BulkResult(members=members, done=int(done))


def remind_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue the reminder to those of one page who asked for this hour and have not checked in today."""
    end = page_end(conn, given, after, size)
    if end is None:
        return Page(None, 0)
    silent = select(enrolments.c.person_id, enrolments.c.streak).where(
        *in_page(given, after, end),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.reminder_hour == given.slot,
        enrolments.c.first_day <= given.day,
        ~exists().where(*_checked_in(given)),
    )
    by_streak: dict[int, list[str]] = {}
    for row in conn.execute(silent):
        by_streak.setdefault(row.streak, []).append(row.person_id)
    closes_at = _closes_at(conn, given.campaign_id)
    queued = 0
    for streak, person_ids in by_streak.items():
        data = {"day": given.day, "streak": streak, "closes_at": closes_at}
        queued += _queue(conn, given, MailTemplate.CAMPAIGN_REMINDER, person_ids, data, now)
    return Page(end, queued)


def tell_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue a notice to those of one page who take part; the leader's own copy went out with the record."""
    end = page_end(conn, given, after, size)
    notice = given.notice
    if end is None or notice is None:
        return Page(None, 0)
    reached_places = {Place.ACTIVE: notice.members, Place.WAITING: notice.waiting}
    places = [place.value for place, reached in reached_places.items() if reached]
    title, leader_id = conn.execute(
        select(campaigns.c.title, campaigns.c.leader_id).where(campaigns.c.id == given.campaign_id)
    ).one()
    reached = select(enrolments.c.person_id).where(
        *in_page(given, after, end),
        enrolments.c.status.in_(places),
        enrolments.c.person_id != leader_id,
    )
    if notice.joined_by is not None:
        reached = reached.where(enrolments.c.first_day <= notice.joined_by)
    data = {"campaign_id": given.campaign_id, "title": title, **notice.data}
    requests = [
        MailRequest(
            key=f"{given.process_id}:notice:{given.number}:{person_id}",
            template=notice.template,
            person_id=person_id,
            process_id=given.process_id,
            data=data,
        )
        for person_id in conn.execute(reached).scalars()
    ]
    return Page(end, mail.queue(conn, requests, now))


def _closes_at(conn: Connection, campaign_id: str) -> str | None:
    closes = conn.execute(select(campaigns.c.day_closes_at).where(campaigns.c.id == campaign_id)).scalar()
    return closes.isoformat() if closes else None


_DONE = ("first_day", "days_done", "best_streak", "missed", "friends_activated")


def page_rows(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor) -> list[Row[Any]]:
    """Return those of one page who take part, in its order: person, the person's status, what was done."""
    rows = (
        select(
            enrolments.c.person_id,
            people.c.status.label("person_status"),
            *(enrolments.c[name] for name in _DONE),
        )
        .join(people, people.c.id == enrolments.c.person_id)
        .where(*in_page(given, after, end), enrolments.c.status == Place.ACTIVE.value)
        .order_by(enrolments.c.person_id)
    )
    return list(conn.execute(rows))
