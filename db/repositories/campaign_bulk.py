"""Bulk work on a campaign's members, page by page: each page is one transaction that can be done again.

A page is a run of enrolments in the order of (shard, person). Its cursor is its last one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, false, func, select, tuple_, update

from contracts.campaigns import BulkInput, BulkResult
from contracts.mail import MailRequest
from db.repositories import invitation_activation, mail
from db.repositories.check_in_records import rules_of
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people
from domain.campaigns.members import Place
from domain.mail import MailTemplate


class Cursor(NamedTuple):
    """Where a page ends."""

    shard: int
    person_id: str


class Page(NamedTuple):
    """One page: where it ends (None: there was nothing left), and how many rows it changed or queued."""

    end: Cursor | None
    rows: int


_POSITION = (enrolments.c.shard, enrolments.c.person_id)


def page_end(conn: Connection, given: BulkInput, after: Cursor | None, size: int) -> Cursor | None:
    """Return where the next page of at most ``size`` enrolments ends, None if there is none."""
    ends = select(*_POSITION).where(*_range(given, after)).order_by(*_POSITION)
    last = conn.execute(ends.offset(size - 1).limit(1)).one_or_none()
    if last is None:
        backwards = ends.order_by(None).order_by(enrolments.c.shard.desc(), enrolments.c.person_id.desc())
        last = conn.execute(backwards.limit(1)).one_or_none()
    return None if last is None else Cursor(last.shard, last.person_id)


def _range(given: BulkInput, after: Cursor | None, end: Cursor | None = None) -> list[ColumnElement[bool]]:
    within = [
        enrolments.c.campaign_id == given.campaign_id,
        enrolments.c.shard >= given.first,
        enrolments.c.shard < given.last,
    ]
    if after is not None:
        within.append(tuple_(*_POSITION) > tuple_(*after))
    if end is not None:
        within.append(tuple_(*_POSITION) <= tuple_(*end))
    return within


def _checked_in(given: BulkInput) -> ColumnElement[bool]:
    return exists().where(
        check_ins.c.campaign_id == given.campaign_id,
        check_ins.c.day == given.day,
        check_ins.c.person_id == enrolments.c.person_id,
    )


def close_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Close the day for one page of members: streaks that broke, days missed, and a nudge after some.

    A member who has checked in on a later day already keeps the streak that began there.
    """
    end = page_end(conn, given, after, size)
    if end is None:
        return Page(None, 0)
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    resting = given.day in rules_of(conn, row).rest
    missed = false() if resting else ~_checked_in(given)
    changed = conn.execute(
        update(enrolments)
        .where(
            *_range(given, after, end),
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.first_day <= given.day,
            enrolments.c.closed_through < given.day,
        )
        .values(
            missed=enrolments.c.missed + case((missed, 1), else_=0),
            missed_in_a_row=case(
                (enrolments.c.last_day >= given.day, 0),
                (missed, enrolments.c.missed_in_a_row + 1),
                else_=enrolments.c.missed_in_a_row,
            ),
            streak=case((and_(missed, enrolments.c.last_day < given.day), 0), else_=enrolments.c.streak),
            closed_through=given.day,
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    invitation_activation.activate_page(conn, row, after or (given.first, ""), end, now)
    if not resting:
        _nudge(conn, given, after, end, now)
    return Page(end, int(changed))


def _nudge(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor, now: datetime) -> None:
    silent = select(enrolments.c.person_id).where(
        *_range(given, after, end),
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
    members = select(func.count()).where(
        *_range(given, None),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.first_day <= given.day,
    )
    done = members.where(_checked_in(given))
    return BulkResult(members=conn.execute(members).scalar_one(), done=conn.execute(done).scalar_one())


def remind_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Queue the reminder to those of one page who asked for this hour and have not checked in today."""
    end = page_end(conn, given, after, size)
    if end is None:
        return Page(None, 0)
    silent = select(enrolments.c.person_id, enrolments.c.streak).where(
        *_range(given, after, end),
        enrolments.c.status == Place.ACTIVE.value,
        enrolments.c.reminder_hour == given.slot,
        enrolments.c.first_day <= given.day,
        ~_checked_in(given),
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


def _closes_at(conn: Connection, campaign_id: str) -> str | None:
    closes = conn.execute(select(campaigns.c.day_closes_at).where(campaigns.c.id == campaign_id)).scalar()
    return closes.isoformat() if closes else None


def page_rows(conn: Connection, given: BulkInput, after: Cursor | None, end: Cursor) -> list[Row[Any]]:
    """Return the enrolments of one page in its order, with each person's status as ``person_status``."""
    rows = (
        select(enrolments, people.c.status.label("person_status"))
        .join(people, people.c.id == enrolments.c.person_id)
        .where(*_range(given, after, end))
        .order_by(*_POSITION)
    )
    return list(conn.execute(rows))
