"""Check-ins as members make them, and the member's own view of a campaign."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.enrolments import (
    BoardLine,
    CheckInIn,
    CheckInOut,
    DayState,
    LeaderboardOut,
    MyDay,
    OwnPlace,
    TodayOut,
)
from api.security.gate import Actor
from api.security.rules import Guard, entered
from api.services import mentions
from api.services.campaign_views import may_see
from api.services.campaigns import existing
from api.services.vetting import process_now
from db.repositories import check_ins, enrolments, leaderboards, settlements
from db.repositories.check_in_records import Kind, Rules, record_of, rules_of, shifts_of
from db.repositories.check_ins import CheckedIn, CheckIn, Taken
from db.repositories.leaderboards import Line, Position
from domain.campaigns.calendar import date_of
from domain.campaigns.members import Place
from domain.campaigns.mentions import may_mention
from domain.campaigns.plan import Board
from domain.campaigns.rewards import Record, member_points
from domain.campaigns.streaks import alive, make_up_days
from domain.ids import derived_id
from domain.points import PaymentReason

GivenCheckIn = tuple[str, CheckInIn, str | None]
"""A check-in as a request gives it: the campaign's id, the body, and the key to repeat it by."""


def check_in(
    conn: Connection, campaign_id: str, person_id: str, given: CheckInIn, key: str | None = None
) -> CheckInOut:
    """Check in, in the caller's transaction. Raises ``Problem``."""
    one = _one(campaign_id, person_id, given, key)
    now = datetime.now(UTC)
    [done] = check_ins.check_in(conn, [one], now)
    outcome = _told(done)
    if isinstance(outcome, Problem):
        raise outcome
    return _with_mentions(conn, one, done, outcome, now)


def check_in_together(
    conn: Connection, asked: Sequence[tuple[Guard, GivenCheckIn]]
) -> list[CheckInOut | Problem]:
    """Take the check-ins of several requests in the caller's transaction: each one's answer, or why not."""
    actors = entered(conn, [guard for guard, _ in asked])
    given = [
        _one(campaign_id, actor.person_id, body, key)
        for actor, (_, (campaign_id, body, key)) in zip(actors, asked, strict=True)
        if not isinstance(actor, Problem)
    ]
    now = datetime.now(UTC)
    done = check_ins.check_in(conn, given, now)
    told = [_told(one) for one in done]
    # By author: two batches that invite for the same members hold them in the same order.
    for number in sorted(range(len(given)), key=lambda number: given[number].person_id):
        outcome = told[number]
        if not isinstance(outcome, Problem):
            told[number] = _with_mentions(conn, given[number], done[number], outcome, now)
    answers = iter(told)
    return [actor if isinstance(actor, Problem) else next(answers) for actor in actors]


def _with_mentions(
    conn: Connection, one: CheckIn, done: CheckedIn, answer: CheckInOut, now: datetime
) -> CheckInOut:
    if not may_mention(one.note):
        return answer
    if done.outcome is Taken.REPEATED:
        return mentions.told_again(conn, answer)
    return mentions.with_mentions(conn, one.campaign_id, one.person_id, one.note, answer, now)


def _one(campaign_id: str, person_id: str, given: CheckInIn, key: str | None) -> CheckIn:
    # A request that is repeated after its day has ended finds its check-in by this, and makes no other.
    own_id = None if key is None else derived_id("check_in", campaign_id, person_id, key)
    return CheckIn(
        campaign_id,
        person_id,
        given.note,
        given.link,
        given.makeup_for_day,
        own_id,
        given.picture_id,
        given.private,
    )


def _told(done: CheckedIn) -> CheckInOut | Problem:
    if done.outcome not in (Taken.COUNTED, Taken.REPEATED):
        return Problem(done.outcome.value)
    return CheckInOut(id=done.id, day=done.day, streak=done.streak, points=done.points)


def today(conn: Connection, campaign_id: str, person_id: str) -> TodayOut:
    """Read a member's own place in a campaign. Raises ``Problem`` for who does not take part."""
    row = existing(conn, campaign_id)
    member: Any = enrolments.get(conn, campaign_id, person_id)
    if member is None:
        raise Problem("not_enrolled")
    rules, record = rules_of(conn, row), record_of(conn, campaign_id, person_id)
    made_up_later = _make_up_days(row, member, rules, record)
    settled = settlements.of_member(conn, campaign_id, person_id)
    rank = leaderboards.own(conn, campaign_id, row.leader_id, Board.DAYS, person_id)
    return TodayOut(
        campaign_id=campaign_id,
        campaign_status=row.status,
        status=member.status,
        day=row.day,
        closes_at=row.day_closes_at,
        now=process_now(row),
        done_today=row.day in record,
        rest_today=row.day in rules.rest,
        streak=alive(member.streak, member.last_day, row.day, rules.rest),
        best_streak=member.best_streak,
        days_done=member.days_done,
        missed_days=list(made_up_later),
        cards_left=max(0, rules.plan.make_up.cards - member.make_ups_used),
        points_so_far=_points_so_far(rules, member) if settled is None else _points_paid(settled),
        friends=member.friends_activated,
        rank=rank[0] if rank else None,
        reminder_hour=member.reminder_hour,
        certificate_code=settled.certificate_code if settled is not None else None,
        days=_calendar(conn, row, member, rules, record, made_up_later),
    )


def _make_up_days(row: Any, member: Any, rules: Rules, record: Mapping[int, Kind]) -> tuple[int, ...]:
    if member.status != Place.ACTIVE:
        return ()
    return make_up_days(
        rules.plan.make_up,
        today=row.day,
        done=record.keys(),
        rest=rules.rest,
        first_day=member.first_day,
        cards_used=member.make_ups_used,
    )


def _points_so_far(rules: Rules, member: Any) -> int:
    record = Record(
        days_done=member.days_done,
        best_streak=member.best_streak,
        friends_activated=member.friends_activated,
    )
    # Nobody has completed what is not over.
    points = member_points(rules.plan, record, cut_short=True)
    return sum(points[kind] for kind in PaymentReason if kind in points)


def _points_paid(settled: Any) -> int:
    return sum(getattr(settled, f"{kind.value}_points") for kind in PaymentReason)


def _calendar(
    conn: Connection,
    row: Any,
    member: Any,
    rules: Rules,
    record: Mapping[int, Kind],
    can_make_up: Sequence[int],
) -> list[MyDay]:
    shifts = shifts_of(conn, row.id)
    return [
        MyDay(
            day=day,
            on=date_of(rules.plan, day, shifts),
            state=_state(day, row, member, rules, record),
            can_make_up=day in can_make_up,
        )
        for day in range(1, rules.plan.length_days + 1)
    ]


def _state(day: int, row: Any, member: Any, rules: Rules, record: Mapping[int, Kind]) -> DayState:
    if day in record:
        return DayState.MADE_UP if record[day] is Kind.MAKE_UP else DayState.DONE
    if day < member.first_day:
        return DayState.BEFORE
    if day in rules.rest:
        return DayState.REST
    if day == row.day:
        return DayState.OPEN
    return DayState.AHEAD if day > row.day else DayState.MISSED


def board(
    conn: Connection, campaign_id: str, actor: Actor, by: Board, after: list[Any] | None, fetch: int
) -> tuple[list[Line], OwnPlace | None]:
    """Read up to ``fetch`` lines of a board after the place in a cursor, and the reader's own place.

    The cursor carries the own place along, so that only the first page counts it. Raises ``Problem``.
    """
    row = existing(conn, campaign_id)
    if not may_see(conn, row, actor):
        raise Problem("not_found")
    begin = _position(by, after)
    lines = leaderboards.page(conn, campaign_id, row.leader_id, by, begin, fetch)
    if after is not None and after[6] == actor.person_id:
        return lines, OwnPlace(place=after[7], value=after[8]) if after[7] else None
    found = leaderboards.own(conn, campaign_id, row.leader_id, by, actor.person_id)
    return lines, OwnPlace(place=found[0], value=found[1]) if found else None


def _position(by: Board, after: list[Any] | None) -> Position | None:
    if after is None:
        return None
    if after[0] != by.value:
        raise Problem("cursor_invalid")
    return Position(*after[1:6])


def cursor_of(line: Line, by: Board, actor: Actor, own: OwnPlace | None) -> list[Any]:
    """Return what a cursor holds that goes on after ``line``."""
    place, value = (own.place, own.value) if own else (0, 0)
    position = (line.number, line.place, line.value, line.second, line.person_id)
    return [by.value, *position, actor.person_id, place, value]


def board_out(by: Board, lines: Sequence[Line], own: OwnPlace | None, cursor: str | None) -> LeaderboardOut:
    """Return a page of a board as it is answered."""
    items = [
        BoardLine(
            place=line.place,
            person=PersonOut(id=line.person_id, display_name=line.display_name),
            value=line.value,
        )
        for line in lines
    ]
    return LeaderboardOut(by=by, items=items, own=own, next_cursor=cursor)
