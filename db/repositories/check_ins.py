"""Check-ins: a member's day, counted in the transaction that takes it.

The campaign's row is locked for as long as a check-in is written. So the day is the one that its process
wrote last, and what is counted for a day is there before the process can go on to the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    FromClause,
    Insert,
    Integer,
    String,
    Update,
    and_,
    column,
    insert,
    select,
    table,
    update,
)
from sqlalchemy.types import TypeEngine

from db.repositories import pictures
from db.repositories.check_in_records import Kind, Rules, done_days, of_day, recounted, rules_of
from db.statements import AsOne, OnGiven, among, list_of, listed, one_of, undone_by_its_caller
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.types import UtcDateTime, text_of
from domain.campaigns.members import Place
from domain.campaigns.requirements import Evidence, unmet
from domain.campaigns.rewards import newly_reached
from domain.campaigns.streaks import MakeUpRefusal, after_check_in, make_up_refusal
from domain.campaigns.terms import OPEN_STATUSES, Refusal, Status
from domain.ids import new_id


class Taken(StrEnum):
    """What became of a check-in, beside the refusals of the rules; only the first two mean it counts."""

    COUNTED = "counted"
    REPEATED = "repeated"
    NO_CAMPAIGN = "not_found"
    NOT_ENROLLED = "not_enrolled"
    NO_PICTURE = "picture_unknown"
    WAITING = "waiting_for_a_place"
    KEY_REUSED = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class CheckIn:
    """What a member hands in: for today, or with a card for the day ``makes_up``.

    ``id`` names the check-in where its sender gave a key to repeat it by. ``picture_id`` names a picture
    that was handed in before; ``private`` keeps the note from being shown to everybody.
    """

    campaign_id: str
    person_id: str
    note: str = ""
    link: str | None = None
    makes_up: int | None = None
    id: str | None = None
    picture_id: str | None = None
    private: bool = False


class CheckedIn(NamedTuple):
    """The outcome; where it counts, also the day, the streak that it led to, and the points it earned."""

    outcome: StrEnum
    id: str = ""
    day: int = 0
    streak: int = 0
    points: int = 0


_DIALECTS = ("sqlite", "postgresql")
_CAMPAIGNS = {
    dialect: select(
        campaigns.c.id,
        campaigns.c.status,
        campaigns.c.day,
        campaigns.c.closed_through,
        campaigns.c.revision,
        campaigns.c.amnesties,
        campaigns.c.clock_offset_seconds,
    )
    .where(one_of(dialect, campaigns.c.id, "ids"))
    .order_by(campaigns.c.id)
    # Not shared: those who share a lock pass whoever waits for it, and the day could not end under load.
    .with_for_update(key_share=True)
    for dialect in _DIALECTS
}


class _Written(NamedTuple):
    """What is written of a check-in, and the counters that it leaves."""

    campaign_id: str
    person_id: str
    id: str
    kind: str
    day: int
    note: str
    link: str | None
    streak: int
    points: int
    at: datetime
    days_done: int
    last_day: int
    best_streak: int
    make_ups_used: int
    missed: int
    missed_in_a_row: int
    closed_through: int


_TYPES: dict[Any, TypeEngine[Any]] = {
    str: String(),
    str | None: String(),
    int: Integer(),
    datetime: UtcDateTime(),
}
_WRITTEN = {name: _TYPES[kind] for name, kind in _Written.__annotations__.items()}
_INSERTED = [name for name in _WRITTEN if name in check_ins.c]
# The streak that a check-in led to is its member's.
_COUNTERS = ["streak", *(name for name in _WRITTEN if name not in check_ins.c)]
_MEMBER = [enrolments.c[name] for name in ("campaign_id", "person_id", "status", "first_day", *_COUNTERS)]


class _Sent(NamedTuple):
    """A check-in that is there already."""

    id: str
    campaign_id: str
    person_id: str
    kind: str
    day: int
    note: str
    link: str | None
    streak: int
    points: int


def _members_of(given: FromClause) -> Any:
    """Members, and what each has sent before as what is sent now.

    Whoever holds the lock of a campaign finds every check-in there that was taken in it.
    """
    own = and_(enrolments.c.campaign_id == given.c.campaign, enrolments.c.person_id == given.c.person)
    return (
        select(*_MEMBER, *(check_ins.c[name].label(f"sent_{name}") for name in _Sent._fields))
        .select_from(given)
        .join(enrolments, own)
        .outerjoin(check_ins, check_ins.c.id == given.c.id)
        # The order in which the bulk work goes through them too.
        .order_by(enrolments.c.campaign_id, enrolments.c.person_id)
        .with_for_update(of=enrolments)
    )


_MEMBERS = AsOne(
    {
        dialect: _members_of(listed(dialect, "given", campaign=String(), person=String(), id=String()))
        for dialect in _DIALECTS
    }
)


def _insert_of(given: FromClause) -> Insert:
    rows = select(*(given.c[name] for name in _INSERTED))
    return insert(check_ins).from_select(_INSERTED, rows, include_defaults=False)


def _count_of(given: FromClause) -> Update:
    own = and_(enrolments.c.campaign_id == given.c.campaign_id, enrolments.c.person_id == given.c.person_id)
    count = update(enrolments).where(own).values({name: given.c[name] for name in _COUNTERS})
    return undone_by_its_caller(count)


_GIVEN = table("given", *(column(name, kind) for name, kind in _WRITTEN.items()))
_SQLITE_WRITES = [OnGiven(make(_GIVEN), _GIVEN) for make in (_insert_of, _count_of)]
_rows = select(listed("postgresql", "rows", **_WRITTEN)).cte("given")
_POSTGRES_WRITE = _count_of(_rows).add_cte(_insert_of(_rows).cte("taken"))


def lock_campaigns(conn: Connection, ids: Iterable[str]) -> dict[str, Any]:
    """Lock campaigns, so that none of their days ends, and return where they stand, by id."""
    dialect = conn.dialect.name
    return {row.id: row for row in conn.execute(_CAMPAIGNS[dialect], {"ids": among(dialect, list(ids))})}


def check_in(conn: Connection, given: Sequence[CheckIn], now: datetime) -> list[CheckedIn]:
    """Take check-ins in the caller's transaction, each with its own outcome; ``now``: wall clock (UTC).

    Sent again with the same content it is the same check-in and has the same answer; with another it is
    refused. Points are earned here and paid at the settlement.
    """
    outcomes: dict[int, CheckedIn] = {}
    left = dict(enumerate(given))
    while left:
        # Of several of one member the first is taken first, and the next sees what it left.
        turn = {(one.campaign_id, one.person_id): number for number, one in reversed(left.items())}
        numbers = sorted(turn.values())
        outcomes |= zip(numbers, _take(conn, [left.pop(number) for number in numbers], now), strict=True)
    return [outcomes[number] for number in range(len(given))]


def _take(conn: Connection, given: Sequence[CheckIn], now: datetime) -> list[CheckedIn]:
    """Take check-ins of different members."""
    rows = lock_campaigns(conn, {one.campaign_id for one in given})
    members = _members(conn, given)
    free = pictures.locked_unused(conn, [one.picture_id for one in given if one.picture_id is not None])
    outcomes, writes = [], []
    named: dict[str, str] = {}
    private: list[str] = []
    for one in given:
        row, member = rows.get(one.campaign_id), members.get((one.campaign_id, one.person_id))
        if member is not None and member.sent_id is not None:
            # The last columns that are read of a member.
            sent = _Sent._make(member[-len(_Sent._fields) :])
            outcomes.append(_again(conn, one, sent, Taken.KEY_REUSED))
            continue
        refusal = _closed_to(row, member)
        if row is None or member is None or refusal is not None:
            outcomes.append(_refused(conn, one, row, refusal or Taken.NO_CAMPAIGN))
            continue
        at = now + timedelta(seconds=row.clock_offset_seconds)
        judged = (_today if one.makes_up is None else _made_up)(conn, one, row, member, at)
        if not isinstance(judged, CheckedIn) and one.picture_id is not None:
            judged = judged if free.get(one.picture_id) == (one.person_id, row.id) else _NO_PICTURE
        if isinstance(judged, CheckedIn):
            outcomes.append(judged)
            continue
        if one.picture_id is not None:
            named[one.picture_id] = judged.id
        if one.private:
            private.append(judged.id)
        writes.append(judged)
        outcomes.append(CheckedIn(Taken.COUNTED, judged.id, judged.day, judged.streak, judged.points))
    _write(conn, writes)
    pictures.use(conn, named)
    pictures.keep_private(conn, private)
    return outcomes


def _members(conn: Connection, given: Sequence[CheckIn]) -> dict[tuple[str, str], Any]:
    found = _MEMBERS.all(conn, list_of("given", [(one.campaign_id, one.person_id, one.id) for one in given]))
    return {(row.campaign_id, row.person_id): row for row in found}


def _closed_to(row: Any, member: Any) -> StrEnum | None:
    """Return why this member cannot check in to this campaign now, whatever is handed in."""
    if row is None:
        return Taken.NO_CAMPAIGN
    status = Status(row.status)
    if member is None or member.status in (Place.LEFT, Place.REMOVED):
        shown = status in OPEN_STATUSES or status in (Status.SETTLING, Status.SETTLED)
        return Taken.NOT_ENROLLED if shown else Taken.NO_CAMPAIGN
    if status is not Status.RUNNING:
        return Refusal.WRONG_STAGE if status in OPEN_STATUSES else Refusal.NOT_OPEN
    return Taken.WAITING if member.status == Place.WAITING else None


def _refused(conn: Connection, one: CheckIn, row: Any, why: StrEnum) -> CheckedIn:
    """Refuse, unless it is there already: then it was sent again after what closed the campaign to it."""
    if row is not None:
        found = of_day(conn, one.campaign_id, one.makes_up or row.day, one.person_id)
        if found is not None:
            return _again(conn, one, found, why)
    return CheckedIn(why)


_NO_PICTURE = CheckedIn(Taken.NO_PICTURE)


def _again(conn: Connection, one: CheckIn, found: Any, otherwise: StrEnum) -> CheckedIn:
    """Answer what ``found`` was answered, if ``one`` is the same; else why it is refused."""
    made_up = found.day if found.kind == Kind.MAKE_UP else None
    asked = (one.campaign_id, one.person_id, one.note, one.link, one.makes_up)
    same = asked == (found.campaign_id, found.person_id, found.note, found.link, made_up)
    if not same or pictures.of_check_in(conn, found.id) != one.picture_id:
        return CheckedIn(otherwise)
    return CheckedIn(Taken.REPEATED, found.id, found.day, found.streak, found.points)


def _today(conn: Connection, one: CheckIn, row: Any, member: Any, at: datetime) -> CheckedIn | _Written:
    """Judge a check-in for the open day: the outcome, or what is to be written."""
    if member.last_day >= row.day:
        found = of_day(conn, row.id, row.day, one.person_id)
        return _again(conn, one, found, MakeUpRefusal.ALREADY_DONE)
    rules = rules_of(conn, row)
    lacking = unmet(rules.plan.requirement, _evidence(one))
    if lacking is not None:
        return CheckedIn(lacking)
    streak = after_check_in(member.streak, member.last_day, row.day, rules.rest)
    best = max(member.best_streak, streak)
    return _Written(
        one.campaign_id,
        one.person_id,
        one.id or new_id(),
        Kind.DAY.value,
        row.day,
        one.note,
        one.link,
        streak,
        _points(rules, member, best),
        at,
        days_done=member.days_done + 1,
        last_day=row.day,
        best_streak=best,
        make_ups_used=member.make_ups_used,
        missed=member.missed,
        missed_in_a_row=member.missed_in_a_row,
        closed_through=member.closed_through,
    )


def _made_up(conn: Connection, one: CheckIn, row: Any, member: Any, at: datetime) -> CheckedIn | _Written:
    """Judge a make-up, which can join two streaks: everything is counted again from the record."""
    wanted, rules = one.makes_up or 0, rules_of(conn, row)
    done = done_days(conn, row.id, one.person_id)
    refusal: StrEnum | None = make_up_refusal(
        rules.plan.make_up,
        wanted,
        today=row.day,
        done=done,
        rest=rules.rest,
        first_day=member.first_day,
        cards_used=member.make_ups_used,
    )
    if refusal is MakeUpRefusal.ALREADY_DONE:
        return _again(conn, one, of_day(conn, row.id, wanted, one.person_id), refusal)
    refusal = refusal or unmet(rules.plan.requirement, _evidence(one))
    if refusal is not None:
        return CheckedIn(refusal)
    counters = recounted(done | {wanted}, row.day, rules, member.first_day)
    return _Written(
        campaign_id=one.campaign_id,
        person_id=one.person_id,
        id=one.id or new_id(),
        kind=Kind.MAKE_UP.value,
        day=wanted,
        note=one.note,
        link=one.link,
        points=_points(rules, member, counters["best_streak"]),
        at=at,
        make_ups_used=member.make_ups_used + 1,
        **counters,
    )


def _evidence(one: CheckIn) -> Evidence:
    return Evidence(one.note, one.link, one.picture_id is not None)


def _points(rules: Rules, member: Any, best: int) -> int:
    """Return what a check-in that leads to this ``best`` streak earns, with every bonus first reached."""
    rewards = rules.plan.rewards
    reached = newly_reached(rewards, best, member.best_streak)
    return rewards.check_in + sum(bonus.points for bonus in reached)


def _write(conn: Connection, writes: Sequence[_Written]) -> None:
    if not writes:
        return
    at = _Written._fields.index("at")
    rows = [(*one[:at], text_of(one.at), *one[at + 1 :]) for one in writes]
    if conn.dialect.name == "postgresql":
        conn.execute(_POSTGRES_WRITE, list_of("rows", rows))
        return
    for write in _SQLITE_WRITES:
        write.run(conn, rows)
