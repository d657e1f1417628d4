"""Settlement: what each member earned, paid once, with the reasons kept beside it."""

import secrets
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from contracts.campaigns import BulkInput, BulkResult
from contracts.mail import MailRequest
from db.repositories import invitation_activation, mail, points
from db.repositories.campaign_bulk import Cursor, Page, page_end, page_rows
from db.repositories.check_in_records import rules_of
from db.statements import insert_ignore
from db.tables.campaigns import campaigns, enrolments, settlements
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.plan import Board, CampaignPlan
from domain.campaigns.rewards import Record, is_complete, member_points, prize_each, prizes_paid
from domain.mail import MailTemplate
from domain.people import PersonStatus
from domain.points import Payment, PaymentReason

_VALUES: dict[Board, ColumnElement[int]] = {
    Board.DAYS: enrolments.c.days_done,
    Board.STREAK: enrolments.c.best_streak,
    Board.INVITATIONS: enrolments.c.friends_activated,
}

Prizes = dict[Board, dict[int, int]]
"""What each value on a board is paid (points): everybody who is tied has the same."""


def rank_prizes(conn: Connection, given: BulkInput) -> Prizes:
    """Return what the places of the campaign's boards are paid; nothing for one that was cut short."""
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    plan = CampaignPlan.model_validate(row.plan)
    if given.cancelled:
        return {}
    return {board: _prizes_of(conn, plan, row, board) for board in Board if prizes_paid(plan, board)}


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
    members = [m for m in page_rows(conn, given, after, end) if m.status == Place.ACTIVE.value]
    owed = [settlement.row_of(member) for member in members]
    insert_ignore(conn, settlements, owed, conflict=["campaign_id", "person_id"])
    payments = [
        Payment(person_id=one["person_id"], amount=one[f"{kind.value}_points"], reason=kind)
        for one in owed
        for kind in PaymentReason
        if one[f"{kind.value}_points"]
    ]
    key = f"{given.process_id}:settlement"
    points.pay(conn, given.campaign_id, payments, key_prefix=key, at=given.at)
    mail.queue(conn, [settlement.mail_of(one) for one in owed], now)
    return Page(end, len(owed))


class _Settlement:
    """What is the same for all members of one campaign."""

    def __init__(self, conn: Connection, row: Row[Any], given: BulkInput, prizes: Prizes) -> None:
        rules = rules_of(conn, row)
        self._given = given
        self._title = row.title
        self._leader_id = row.leader_id
        self._plan = rules.plan
        self._prizes = prizes
        self._required = [day for day in range(1, row.closed_through + 1) if day not in rules.rest]

    def row_of(self, member: Row[Any]) -> dict[str, Any]:
        """Return what ``member`` earned, as it is stored."""
        required = sum(day >= member.first_day for day in self._required)
        record = Record(
            days_done=member.days_done,
            best_streak=member.best_streak,
            required=required,
            required_done=max(0, required - member.missed),
            friends_activated=member.friends_activated,
        )
        cut_short = self._given.cancelled
        earned = member_points(self._plan, record, cut_short=cut_short)
        completed = not cut_short and is_complete(record, self._plan.rewards)
        earned[PaymentReason.RANK] = self._rank_points(member)
        if not is_paid_for_friends(member.person_id, member.person_status, self._leader_id):
            earned.pop(PaymentReason.INVITATION, None)
        return {
            "campaign_id": self._given.campaign_id,
            "person_id": member.person_id,
            "days_done": member.days_done,
            "completed": completed,
            **{f"{kind.value}_points": earned.get(kind, 0) for kind in PaymentReason},
            "certificate_code": secrets.token_hex(8) if completed else None,
            "settled_at": self._given.at,
        }

    def _rank_points(self, member: Row[Any]) -> int:
        # As on the boards: who leads it, or may not be shown, is in no place.
        if member.person_id == self._leader_id or member.person_status != PersonStatus.ACTIVE.value:
            return 0
        values = {
            Board.DAYS: member.days_done,
            Board.STREAK: member.best_streak,
            Board.INVITATIONS: member.friends_activated,
        }
        return sum(paid.get(values[board], 0) for board, paid in self._prizes.items())

    def mail_of(self, owed: dict[str, Any]) -> MailRequest:
        """Return the letter that tells a member the result."""
        template = (
            MailTemplate.CAMPAIGN_ENDED_EARLY if self._given.cancelled else MailTemplate.CAMPAIGN_RESULT
        )
        data = {
            "campaign_id": self._given.campaign_id,
            "title": self._title,
            "days_done": owed["days_done"],
            "length_days": self._plan.length_days,
            "completed": owed["completed"],
            "points": sum(owed[f"{kind.value}_points"] for kind in PaymentReason),
            "certificate_code": owed["certificate_code"],
        }
        return MailRequest(
            key=f"{self._given.process_id}:{template}:{owed['person_id']}",
            template=template,
            person_id=owed["person_id"],
            process_id=self._given.process_id,
            data=data,
        )


def is_paid_for_friends(person_id: str, person_status: str, leader_id: str) -> bool:
    """Tell whether friends are rewarded: not the leader's, whose task it is, nor those of a lost account."""
    return person_id != leader_id and person_status == PersonStatus.ACTIVE.value


def sums(conn: Connection, given: BulkInput) -> BulkResult:
    """Add up one shard of a settlement."""
    total = reduce(add, (settlements.c[f"{kind.value}_points"] for kind in PaymentReason))
    found = conn.execute(
        select(func.count(), func.coalesce(func.sum(total), 0))
        .select_from(settlements)
        .join(
            enrolments,
            (enrolments.c.campaign_id == settlements.c.campaign_id)
            & (enrolments.c.person_id == settlements.c.person_id),
        )
        .where(
            settlements.c.campaign_id == given.campaign_id,
            enrolments.c.shard >= given.first,
            enrolments.c.shard < given.last,
        )
    ).one()
    return BulkResult(members=found[0], points=int(found[1]))


def of_member(conn: Connection, campaign_id: str, person_id: str) -> Row[Any] | None:
    """Return what a member was paid in a campaign, None if it is not settled."""
    found = select(settlements).where(
        settlements.c.campaign_id == campaign_id, settlements.c.person_id == person_id
    )
    return conn.execute(found).one_or_none()
