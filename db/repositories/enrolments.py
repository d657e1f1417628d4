"""Enrolments: who takes part in a campaign, who waits for a place, who left.

All of it happens under a lock on the campaign's row, which keeps the seats taken: so many at once never
get more places than there are, and whoever waits longest is next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal_column, select, update

from contracts.base import campaign_process_id
from contracts.mail import MailRequest
from db.repositories import featured, mail
from db.repositories.check_in_records import Kind, Rules, record_of, recounted, rules_of, shifts_of
from db.repositories.people import is_sanctioned
from db.tables.campaigns import campaigns, enrolments
from db.tables.people import people
from domain.campaigns.calendar import day_closes
from domain.campaigns.members import Place, shard_of
from domain.campaigns.plan import CampaignPlan, Enrolment
from domain.campaigns.streaks import cards_spent
from domain.campaigns.terms import OPEN_STATUSES, Joining, Status, gives_places, joining
from domain.mail import MailTemplate
from domain.people import PersonStatus


class Entry(StrEnum):
    """What became of a request; the first four mean that it stands, the others are stable codes."""

    ENROLLED = "enrolled"
    WAITING = "waiting"
    UNCHANGED = "unchanged"
    LEFT = "left"
    NO_CAMPAIGN = "not_found"
    CLOSED = "enrolment_closed"
    FULL = "campaign_full"
    INVITATION_REQUIRED = "invitation_required"
    NOT_WELCOME = "enrolment_barred"
    NOT_ENROLLED = "not_enrolled"
    OVER = "campaign_not_open"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who wants to take part; ``invited_by`` and ``new_member`` come from a valid invitation."""

    campaign_id: str
    person_id: str
    invited: bool = False
    invited_by: str | None = None
    new_member: bool = False
    reminder_hour: int | None = None


_SEEN = OPEN_STATUSES | {Status.SETTLING, Status.SETTLED}
_TAKES_IN = (Joining.OPEN, Joining.LINE, Joining.FULL)
_LEAVABLE = (Status.ENROLLING, Status.RUNNING, Status.PAUSED)


def enrol(conn: Connection, given: Newcomer, now: datetime) -> Entry:
    """Enrol somebody, or put them in line; who is either already stays so. ``now``: wall clock (UTC).

    Who comes back goes on with the days done before.
    """
    row, known = _locked(conn, given.campaign_id), get(conn, given.campaign_id, given.person_id)
    if row is None or Status(row.status) not in _SEEN:
        return Entry.NO_CAMPAIGN
    if known is not None and known.status == Place.ACTIVE:
        return Entry.UNCHANGED
    plan = CampaignPlan.model_validate(row.plan)
    refusal = _refusal(conn, row, plan, known, given, now)
    if refusal is not None:
        return refusal
    if row.seats_taken < plan.capacity:
        _seat(conn, row, given, known, now)
        _tell(conn, row, given.person_id, MailTemplate.CAMPAIGN_ENROLLED, Place.ACTIVE, now)
        return Entry.ENROLLED
    if known is not None and known.status == Place.WAITING:
        return Entry.UNCHANGED
    if not plan.waiting_list:
        return Entry.FULL
    _line_up(conn, row, given, known, now)
    _tell(conn, row, given.person_id, MailTemplate.CAMPAIGN_ENROLLED, Place.WAITING, now)
    return Entry.WAITING


def _locked(conn: Connection, campaign_id: str) -> Row[Any] | None:
    return conn.execute(
        select(campaigns).where(campaigns.c.id == campaign_id).with_for_update(key_share=True)
    ).one_or_none()


def _refusal(
    conn: Connection, row: Any, plan: CampaignPlan, known: Any, given: Newcomer, now: datetime
) -> Entry | None:
    if joining(Status(row.status), row.day, row.seats_taken, plan) not in _TAKES_IN:
        return Entry.CLOSED
    person = conn.execute(
        select(people.c.status, people.c.good_standing).where(people.c.id == given.person_id)
    ).one()
    removed = known is not None and known.status == Place.REMOVED
    welcome = person.status == PersonStatus.ACTIVE and person.good_standing and not removed
    if not welcome or is_sanctioned(conn, given.person_id, now):
        return Entry.NOT_WELCOME
    may_come = given.invited or known is not None or given.person_id == row.leader_id
    if plan.enrolment is Enrolment.INVITATION and not may_come:
        return Entry.INVITATION_REQUIRED
    return None


def _gives_places(row: Any, plan: CampaignPlan) -> bool:
    return gives_places(Status(row.status), row.day, plan.last_joining_day)


def _seat(conn: Connection, row: Any, given: Newcomer, known: Any, now: datetime) -> None:
    _take_seat(conn, row, +1)
    if known is None:
        _add(conn, row, given, now, status=Place.ACTIVE.value)
    else:
        _activate(conn, row, known, now, reminder_hour=given.reminder_hour)


def _take_seat(conn: Connection, row: Any, number: int) -> None:
    own = campaigns.c.id == row.id
    conn.execute(update(campaigns).where(own).values(seats_taken=campaigns.c.seats_taken + number))


def _add(conn: Connection, row: Any, given: Newcomer, now: datetime, **values: Any) -> None:
    first_day = max(row.day, 1)
    conn.execute(
        insert(enrolments).values(
            campaign_id=row.id,
            person_id=given.person_id,
            shard=shard_of(given.person_id),
            enrolled_at=_process_time(row, now),
            first_day=first_day,
            # The day before may still be being closed, which is nothing to who was not there.
            closed_through=first_day - 1,
            reminder_hour=given.reminder_hour,
            invited_by=given.invited_by,
            new_member=given.new_member,
            **values,
        )
    )


def _activate(conn: Connection, row: Any, known: Any, now: datetime, reminder_hour: int | None) -> None:
    """Give somebody who waited or had left a place: from today on, or going on with the days done."""
    record, rules = record_of(conn, row.id, known.person_id), rules_of(conn, row)
    values: dict[str, Any] = {"status": Place.ACTIVE.value, "in_line": None}
    if reminder_hour is not None:
        values["reminder_hour"] = reminder_hour
    if not record:
        values |= {"first_day": max(row.day, 1), "enrolled_at": _process_time(row, now)}
    first_day = values.get("first_day", known.first_day)
    values |= recounted(record, row.day, rules, first_day) | cards_used(record, rules)
    conn.execute(_own(known).values(**values))


def cards_used(record: Mapping[int, Kind], rules: Rules) -> dict[str, int]:
    """Return the counter of a member's make-up cards from nothing but the record."""
    made_up = frozenset(day for day, kind in record.items() if kind is Kind.MAKE_UP)
    return {"make_ups_used": cards_spent(made_up, rules.rest)}


def _line_up(conn: Connection, row: Any, given: Newcomer, known: Any, now: datetime) -> None:
    number = row.last_in_line + 1
    conn.execute(update(campaigns).where(campaigns.c.id == row.id).values(last_in_line=number))
    waiting = {"status": Place.WAITING.value, "in_line": number}
    if known is None:
        _add(conn, row, given, now, **waiting)
    else:
        conn.execute(_own(known).values(**waiting))


def _own(known: Any) -> Any:
    return update(enrolments).where(
        enrolments.c.campaign_id == known.campaign_id, enrolments.c.person_id == known.person_id
    )


def _process_time(row: Any, now: datetime) -> datetime:
    return now + timedelta(seconds=row.clock_offset_seconds)


def _tell(
    conn: Connection,
    row: Any,
    person_id: str,
    template: MailTemplate,
    place: Place,
    now: datetime,
    mark: str = "",
) -> None:
    process_id = campaign_process_id(row.id)
    request = MailRequest(
        key=f"{process_id}:{template}:{place}{mark}:{person_id}",
        template=template,
        person_id=person_id,
        process_id=process_id,
        data={
            "campaign_id": row.id,
            "title": row.title,
            "starts_at": row.starts_at.isoformat() if row.starts_at else None,
            "begun": row.day >= 1,
            "paused": row.status == Status.PAUSED,
            "place": place.value,
            **({"places_until": _iso(joining_ends(conn, row))} if place is Place.WAITING else {}),
        },
    )
    mail.queue(conn, [request], now)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def joining_ends(conn: Connection, row: Any) -> datetime | None:
    """Return until when (UTC, the campaign's own time) places are given away, as the days lie now."""
    plan = rules_of(conn, row).plan
    if plan.last_joining_day < 1:
        starts_at: datetime | None = row.starts_at
        return starts_at
    return day_closes(plan, plan.last_joining_day, shifts_of(conn, row.id))


def leave(conn: Connection, campaign_id: str, person_id: str, now: datetime) -> Entry:
    """Leave a campaign or its line; while one can join, the place goes to who waits longest, who is told."""
    row, known = _locked(conn, campaign_id), get(conn, campaign_id, person_id)
    if row is None or known is None or known.status == Place.REMOVED:
        return Entry.NOT_ENROLLED if row is not None and Status(row.status) in _SEEN else Entry.NO_CAMPAIGN
    if known.status == Place.LEFT:
        return Entry.UNCHANGED
    if Status(row.status) not in _LEAVABLE:
        return Entry.OVER
    conn.execute(_own(known).values(status=Place.LEFT.value, in_line=None))
    featured.take_down_of(conn, campaign_id, person_id, now)
    if known.status == Place.ACTIVE:
        _pass_on(conn, row, now)
    return Entry.LEFT


def _pass_on(conn: Connection, row: Any, now: datetime) -> None:
    gives = _gives_places(row, CampaignPlan.model_validate(row.plan))
    following = _next_in_line(conn, row, now) if gives else None
    if following is None:
        _take_seat(conn, row, -1)
        return
    _activate(conn, row, following, now, reminder_hour=None)
    mark = f":{following.in_line}"
    _tell(conn, row, following.person_id, MailTemplate.CAMPAIGN_PLACE_FREE, Place.ACTIVE, now, mark)


def _next_in_line(conn: Connection, row: Any, now: datetime) -> Row[Any] | None:
    """Return who waits longest and may still take part; who may not keeps the number for better times."""
    waiting = (
        select(enrolments)
        .join(people, people.c.id == enrolments.c.person_id)
        .where(
            enrolments.c.campaign_id == row.id,
            _WAITS,
            people.c.status == PersonStatus.ACTIVE.value,
            people.c.good_standing,
        )
        .order_by(enrolments.c.in_line)
        .limit(_MOST_ASKED)
    )
    return next(
        (one for one in conn.execute(waiting) if not is_sanctioned(conn, one.person_id, now)),
        None,
    )


_MOST_ASKED = 200

# Written, not bound: only so is the index of those who wait used.
_WAITS = enrolments.c.status == literal_column(f"'{Place.WAITING.value}'")


def set_reminder_hour(conn: Connection, campaign_id: str, person_id: str, hour: int | None) -> bool:
    """Set the local hour (0 to 23, None: never) of the own reminder; False for who does not take part."""
    changed = conn.execute(
        update(enrolments)
        .where(
            enrolments.c.campaign_id == campaign_id,
            enrolments.c.person_id == person_id,
            enrolments.c.status.in_([Place.ACTIVE.value, Place.WAITING.value]),
        )
        .values(reminder_hour=hour),
        execution_options={"preserve_rowcount": True},
    )
    return changed.rowcount > 0


def get(conn: Connection, campaign_id: str, person_id: str) -> Row[Any] | None:
    """Return somebody's enrolment, None if there never was one."""
    found = select(enrolments).where(
        enrolments.c.campaign_id == campaign_id, enrolments.c.person_id == person_id
    )
    return conn.execute(found).one_or_none()


def place_in_line(conn: Connection, row: Any) -> int | None:
    """Return which one in line the enrolment ``row`` is, 1 is next; None for one that does not wait."""
    if row.in_line is None:
        return None
    ahead = select(func.count()).where(
        enrolments.c.campaign_id == row.campaign_id, _WAITS, enrolments.c.in_line <= row.in_line
    )
    return conn.execute(ahead).scalar_one()
