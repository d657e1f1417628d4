"""Settlement: what each member earned, paid once, with the reasons kept beside it."""

import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select

from contracts.campaigns import BulkInput, BulkResult
from db.bulk import BulkInsert
from db.repositories import invitation_activation, settlement_letters, settlement_payments
from db.repositories.campaign_bulk import Cursor, Page, is_whole, page_end, page_rows
from db.repositories.check_in_records import rules_of
from db.repositories.settlement_pages import all_points, page_values
from db.tables.campaigns import campaigns, enrolments, settlements
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.plan import Board, CampaignPlan
from domain.campaigns.rewards import Record, is_complete, member_points, prize_each, prizes_paid
from domain.people import PersonStatus
from domain.points import PaymentReason

_VALUES: dict[Board, ColumnElement[int]] = {
    Board.DAYS: enrolments.c.days_done,
    Board.STREAK: enrolments.c.best_streak,
    Board.INVITATIONS: enrolments.c.friends_activated,
}


class Prizes:
    """What each value on a board is paid (points): everybody who is tied has the same."""

    def __init__(self, paid: dict[Board, dict[int, int]]) -> None:
        self.paid = paid
        # What records have earned, by what the campaign had come to: of many members most have the record
        # of somebody else.
        self.known: dict[Any, dict[tuple[Any, ...], _Earned]] = {}


def rank_prizes(conn: Connection, given: BulkInput) -> Prizes:
    """Return what the places of the campaign's boards are paid; nothing for one that was cut short."""
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    plan = CampaignPlan.model_validate(row.plan)
    if given.cancelled:
        return Prizes({})
    boards = [board for board in Board if prizes_paid(plan, board)]
    return Prizes({board: _prizes_of(conn, plan, row, board) for board in boards})


def _prizes_of(conn: Connection, plan: CampaignPlan, row: Row[Any], board: Board) -> dict[int, int]:
    value = _VALUES[board]
    last = max(prize.place for prize in prizes_paid(plan, board))
    groups = (
        select(value.label("value"), func.count().label("tied"))
        .join(people, people.c.id == enrolments.c.person_id)
        .where(
            people.c.status == PersonStatus.ACTIVE.value,
            enrolments.c.campaign_id == row.id,
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.person_id != row.leader_id,
            value > 0,
        )
        .group_by(value)
        .order_by(value.desc())
        .limit(last)
    )
    place, paid = 1, {}
    for group in conn.execute(groups):
        if place > last:
            break
        paid[group.value] = prize_each(plan, board, place, group.tied)
        place += group.tied
    return paid


def pay_page(
    conn: Connection, given: BulkInput, prizes: Prizes, after: Cursor | None, size: int, now: datetime
) -> Page:
    """Settle one page of members in one transaction; done again it changes nothing. ``now``: wall clock."""
    end = page_end(conn, given, after, size)
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    # Friends about whom staff have decided since the last day was closed.
    invitation_activation.activate_page(conn, row, (given.first, given.last), after or "", end, now)
    if end is None:
        return Page(None, 0)
    settlement = _Settlement(conn, row, given, prizes)
    members = page_rows(conn, given, after, end)
    if members:
        earned = settlement.earned_by(members)
        new = _KEPT.run(conn, earned.rows)
        page = page_values(conn, given, after, end)
        # Who was settled by an earlier try is paid what that one found.
        settlement_payments.pay(conn, given, page, earned.sums if new == len(members) else None)
        if not given.told_apart:
            settlement_letters.queue(conn, given, page, now)
    return Page(end, len(members))


_KINDS = tuple(PaymentReason)
_ACTIVE = PersonStatus.ACTIVE.value
_KEPT = BulkInsert(
    settlements,
    (
        *("campaign_id", "person_id", "days_done", "completed"),
        *(f"{kind.value}_points" for kind in _KINDS),
        *("certificate_code", "settled_at"),
    ),
    conflict=["campaign_id", "person_id"],
)


class _Done(NamedTuple):
    """What a member's points follow from."""

    first_day: int
    days_done: int
    best_streak: int
    missed: int
    friends_activated: int
    shown: bool


class _Earned(NamedTuple):
    """What that earns; ``points`` in the order of ``PaymentReason``, how many of them are any, and all."""

    completed: bool
    days_done: int
    points: tuple[int, ...]
    payments: int
    amount: int


class _Page(NamedTuple):
    """What is kept of a page of members, and how many payments follow from it, of how many points."""

    rows: list[tuple[Any, ...]]
    sums: tuple[int, int]


def _codes(count: int) -> list[str]:
    """Return codes of 24 digits for certificates, of which 64 bits are left to chance.

    The second before them keeps codes of one time together: wholly random ones would have a page of members
    write nearly every page of the index.
    """
    second, chance = f"{int(time.time()):08x}", secrets.token_hex(8 * count)
    return [second + chance[at : at + 16] for at in range(0, 16 * count, 16)]


class _Settlement:
    """What is the same for all members of one campaign."""

    def __init__(self, conn: Connection, row: Row[Any], given: BulkInput, prizes: Prizes) -> None:
        rules = rules_of(conn, row)
        self._given = given
        self._leader_id = row.leader_id
        self._plan = rules.plan
        self._prizes = prizes.paid
        self._required = [day for day in range(1, row.closed_through + 1) if day not in rules.rest]
        self._known = prizes.known.setdefault((row.revision, tuple(self._required), given.cancelled), {})

    def earned_by(self, members: Sequence[Any]) -> _Page:
        """Return what ``members``, rows of ``page_rows``, earned."""
        rows, count, amount = [], 0, 0
        campaign_id, at, leader_id = self._given.campaign_id, self._given.at, self._leader_id
        for (person_id, *counted, status), code in zip(members, _codes(len(members)), strict=True):
            # As on the boards: who leads it, or may not be shown, is in no place.
            done = (*counted, is_paid_for_friends(person_id, status, leader_id))
            earned = self._known.get(done)
            if earned is None:
                earned = self._known[done] = self._earned(_Done._make(done))
            completed, days_done, points, payments, total = earned
            proof = code if completed else None
            rows.append((campaign_id, person_id, days_done, completed, *points, proof, at))
            count += payments
            amount += total
        return _Page(rows, (count, amount))

    def _earned(self, done: _Done) -> _Earned:
        """Return whether this record completes the campaign, and the points that it earns."""
        required = sum(day >= done.first_day for day in self._required)
        record = Record(
            days_done=done.days_done,
            best_streak=done.best_streak,
            required=required,
            required_done=max(0, required - done.missed),
            friends_activated=done.friends_activated,
        )
        cut_short = self._given.cancelled
        earned = member_points(self._plan, record, cut_short=cut_short)
        earned[PaymentReason.RANK] = self._rank_points(done)
        completed = not cut_short and is_complete(record, self._plan.rewards)
        if not done.shown:
            del earned[PaymentReason.RANK]
            earned.pop(PaymentReason.INVITATION, None)
        points = tuple(earned.get(kind, 0) for kind in _KINDS)
        return _Earned(completed, done.days_done, points, sum(one > 0 for one in points), sum(points))

    def _rank_points(self, done: _Done) -> int:
        values = {
            Board.DAYS: done.days_done,
            Board.STREAK: done.best_streak,
            Board.INVITATIONS: done.friends_activated,
        }
        return sum(paid.get(values[board], 0) for board, paid in self._prizes.items())


def is_paid_for_friends(person_id: str, person_status: str, leader_id: str) -> bool:
    """Tell whether friends are rewarded: not the leader's, whose task it is, nor those of a lost account."""
    return person_id != leader_id and person_status == _ACTIVE


def sums(conn: Connection, given: BulkInput) -> BulkResult:
    """Add up one shard of a settlement."""
    settled = select(func.count(), func.coalesce(func.sum(all_points(settlements)), 0)).where(
        settlements.c.campaign_id == given.campaign_id
    )
    if not is_whole(given):
        settled = settled.join_from(
            settlements,
            enrolments,
            (enrolments.c.campaign_id == settlements.c.campaign_id)
            & (enrolments.c.person_id == settlements.c.person_id),
        ).where(enrolments.c.shard >= given.first, enrolments.c.shard < given.last)
    found = conn.execute(settled).one()
    return BulkResult(members=found[0], points=int(found[1]))


def of_member(conn: Connection, campaign_id: str, person_id: str) -> Row[Any] | None:
    """Return what a member was paid in a campaign, None if it is not settled."""
    found = select(settlements).where(
        settlements.c.campaign_id == campaign_id, settlements.c.person_id == person_id
    )
    return conn.execute(found).one_or_none()
