"""What a rehearsal's database says: counted with plain statements, by day and at the end."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from db.repositories import campaign_figures, campaign_reports
from db.tables.campaigns import check_ins, enrolments
from db.tables.invitations import invitation_joins
from db.tables.mail import mails
from domain.campaigns.calendar import date_of
from domain.campaigns.forecast import ForecastDay, Outcome, without_zeros
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.members import Place
from domain.campaigns.plan import Board
from domain.campaigns.rewards import prizes_paid
from engine.rehearsal.cast import Cast

_BOARDS = {
    Board.DAYS: enrolments.c.days_done,
    Board.STREAK: enrolments.c.best_streak,
    Board.INVITATIONS: enrolments.c.friends_activated,
}


@dataclass
class Figures:
    """Counts of one rehearsed campaign."""

    cast: Cast

    def __post_init__(self) -> None:
        self._days: list[ForecastDay] = []
        self._mails_before: Counter[str] = Counter()

    @property
    def _campaign_id(self) -> str:
        return self.cast.campaign.id

    async def close(self, day: int) -> None:
        """Count a day that is over."""
        self._days.append(await self.cast.campaign.db.read(lambda conn: self._day(conn, day)))

    def _day(self, conn: Connection, day: int) -> ForecastDay:
        members, others = self._mails(conn)
        queued, before = members + others, self._mails_before
        self._mails_before = queued
        kept = next(one for one in campaign_figures.days(conn, self._campaign_id) if one.day == day)
        return ForecastDay(
            day=day,
            on=date_of(self.cast.plan, day),
            members=kept.active,
            checked_in=kept.checked_in,
            made_up=0,
            earned=self._earned(conn),
            invited=sum(self._joins(conn).values()),
            mails=without_zeros(queued - before),
        )

    def _earned(self, conn: Connection) -> int:
        """Sum what check-ins earned those who take part; who has left is not paid."""
        same = (enrolments.c.campaign_id == check_ins.c.campaign_id) & (
            enrolments.c.person_id == check_ins.c.person_id
        )
        earned = (
            select(func.coalesce(func.sum(check_ins.c.points), 0))
            .join_from(check_ins, enrolments, same)
            .where(check_ins.c.campaign_id == self._campaign_id, enrolments.c.status == Place.ACTIVE.value)
        )
        return int(conn.execute(earned).scalar_one())

    def _mails(self, conn: Connection) -> tuple[Counter[str], Counter[str]]:
        """Count mails by template: those to members, and those to leader and staff."""
        campaign = self.cast.campaign
        to_others = mails.c.person_id.in_([campaign.leader, campaign.manager])
        rows = conn.execute(
            select(mails.c.template, to_others.label("others"), func.count().label("number")).group_by(
                mails.c.template, to_others
            )
        )
        counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for row in rows:
            counts[bool(row.others)][row.template] += row.number
        return counts

    def _joins(self, conn: Connection) -> dict[str, int]:
        rows = conn.execute(
            select(invitation_joins.c.status, func.count().label("number"))
            .where(
                invitation_joins.c.campaign_id == self._campaign_id,
                # Those whom the leader let in are no growth.
                invitation_joins.c.inviter_id != self.cast.campaign.leader,
            )
            .group_by(invitation_joins.c.status)
        )
        return {row.status: row.number for row in rows}

    async def end(self) -> tuple[tuple[ForecastDay, ...], Outcome]:
        """Count the campaign once it is settled."""
        return await self.cast.campaign.db.read(self._end)

    def _end(self, conn: Connection) -> tuple[tuple[ForecastDay, ...], Outcome]:
        report = campaign_reports.get(conn, self._campaign_id)
        assert report is not None
        made_up = {day.day: day.made_up for day in report.days}
        days = tuple(day.model_copy(update={"made_up": made_up[day.day]}) for day in self._days)
        joins = self._joins(conn)
        to_members, to_others = self._mails(conn)
        return days, Outcome(
            members=report.members,
            left=report.left,
            turned_away=self.cast.turned_away,
            started=report.started,
            completed=report.completed,
            still_there=report.still_there,
            check_ins=report.check_ins,
            make_ups=sum(made_up.values()),
            invited=sum(joins.values()),
            activated=joins.get(JoinStatus.ACTIVATED.value, 0),
            doubtful=joins.get(JoinStatus.DOUBTFUL.value, 0),
            paid=report.paid,
            prizes=self._prizes(conn),
            streaks={
                bonus.days: self._members(conn, enrolments.c.best_streak >= bonus.days)
                for bonus in self.cast.plan.rewards.streaks
            },
            mails_to_members=without_zeros(to_members),
            mails_to_others=without_zeros(to_others),
            refused=without_zeros(self.cast.refused),
            let_through=self.cast.let_through,
        )

    def _prizes(self, conn: Connection) -> dict[Board, int]:
        found = {}
        for board in Board:
            prizes = prizes_paid(self.cast.plan, board)
            if prizes:
                placed = self._members(conn, _BOARDS[board] > 0)
                found[board] = sum(prize.place <= placed for prize in prizes)
        return found

    def _members(self, conn: Connection, holds: Any) -> int:
        return conn.execute(
            select(func.count()).where(
                enrolments.c.campaign_id == self._campaign_id,
                enrolments.c.status == Place.ACTIVE.value,
                holds,
            )
        ).scalar_one()
