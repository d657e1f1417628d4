"""The report of a campaign, counted from what is stored, once everybody is paid."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Row, and_, func, select

from contracts.base import campaign_process_id
from db.repositories import clocks, invitation_growth, share_visits
from db.statements import insert_ignore
from db.tables.campaigns import campaign_days, campaign_reports, campaigns, check_ins, enrolments, settlements
from db.tables.contributions import contributions
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.reports import Against, Paid, Reach, Report, ReportDay
from domain.clock import wall_instant
from domain.contributions import ContributionKind
from domain.points import PaymentReason

RECENT_DAYS = 7


def make(conn: Connection, campaign_id: str, at: datetime) -> None:
    """Count and keep the report; made again it stays as it was. ``at``: the campaign's time (UTC)."""
    row = conn.execute(select(campaigns).where(campaigns.c.id == campaign_id)).one()
    report = count(conn, row, at)
    kept = {"campaign_id": campaign_id, "made_at": at, "figures": report.model_dump(mode="json")}
    insert_ignore(conn, campaign_reports, [kept], conflict=["campaign_id"])


def get(conn: Connection, campaign_id: str) -> Report | None:
    """Return the report of a campaign that is settled, None before."""
    kept = select(campaign_reports.c.figures).where(campaign_reports.c.campaign_id == campaign_id)
    figures = conn.execute(kept).scalar_one_or_none()
    return None if figures is None else Report.model_validate(figures)


def decided_later(conn: Connection, row: Row[Any], found: Report) -> tuple[int, int]:
    """Return how many friends staff let count after the report was made, and the points paid for them."""
    kept = select(campaign_reports.c.made_at).where(campaign_reports.c.campaign_id == row.id)
    made_at = conn.execute(kept).scalar_one() - timedelta(seconds=row.clock_offset_seconds)
    friends = select(func.count()).where(
        invitation_joins.c.campaign_id == row.id,
        invitation_joins.c.decided_at > made_at,
        invitation_joins.c.activated_at.is_not(None),
    )
    paid = select(func.coalesce(func.sum(settlements.c.invitation_points), 0))
    points = conn.execute(paid.where(settlements.c.campaign_id == row.id)).scalar_one()
    return int(conn.execute(friends).scalar_one()), max(0, int(points) - found.paid.invitation)


def count(conn: Connection, row: Row[Any], at: datetime) -> Report:
    """Return the report of the campaign in ``row`` as it is at ``at``."""
    members, left = _members(conn, row.id)
    days = _days(conn, row.id, members)
    window = _Window.of(days[0].opened_at if days else at, at)
    started, check_in_count = _activity(conn, row.id, 0)
    recent, _ = _activity(conn, row.id, max(0, len(days) - RECENT_DAYS))
    settled = conn.execute(
        select(
            func.coalesce(func.sum(settlements.c.completed.cast(Integer)), 0).label("completed"),
            *(
                func.coalesce(func.sum(settlements.c[f"{kind.value}_points"]), 0).label(kind.value)
                for kind in PaymentReason
            ),
        ).where(settlements.c.campaign_id == row.id)
    ).one()
    return Report(
        campaign_id=row.id,
        cancelled=row.day <= row.length_days,
        days_run=len(days),
        members=members,
        left=left,
        started=started,
        completed=int(settled.completed),
        still_there=recent,
        check_ins=check_in_count,
        days=tuple(days),
        new_members=_new_members(conn, row.id, window),
        shares=_shared(conn, row.id, window),
        paid=Paid(
            reserved=row.reserved, **{kind.value: int(getattr(settled, kind.value)) for kind in PaymentReason}
        ),
        growth=invitation_growth.whole(conn, row, at - timedelta(seconds=row.clock_offset_seconds)),
        featured=Reach(**share_visits.reach(conn, row.id)._asdict()),
    )


def _days(conn: Connection, campaign_id: str, members: int) -> list[ReportDay]:
    """Return the days; one in which the campaign was cancelled was not closed: all ``members`` took part."""
    by_kind = {
        (found.day, found.kind): found.number
        for found in conn.execute(
            select(check_ins.c.day, check_ins.c.kind, func.count().label("number"))
            .where(check_ins.c.campaign_id == campaign_id)
            .group_by(check_ins.c.day, check_ins.c.kind)
        )
    }
    rows = conn.execute(
        select(campaign_days).where(campaign_days.c.campaign_id == campaign_id).order_by(campaign_days.c.day)
    )
    return [
        ReportDay(
            day=one.day,
            opened_at=one.opened_at,
            active=one.active if one.closed_at else members,
            checked_in=by_kind.get((one.day, "day"), 0),
            made_up=by_kind.get((one.day, "make_up"), 0),
        )
        for one in rows
    ]


def _members(conn: Connection, campaign_id: str) -> tuple[int, int]:
    rows = conn.execute(
        select(enrolments.c.status, func.count().label("number"))
        .where(enrolments.c.campaign_id == campaign_id)
        .group_by(enrolments.c.status)
    )
    found = {row.status: row.number for row in rows}
    return found.get(Place.ACTIVE.value, 0), found.get(Place.LEFT.value, 0) + found.get(
        Place.REMOVED.value, 0
    )


def _activity(conn: Connection, campaign_id: str, after_day: int) -> tuple[int, int]:
    """Return how many people checked in after ``after_day``, and how often."""
    found = conn.execute(
        select(func.count(check_ins.c.person_id.distinct()), func.count()).where(
            check_ins.c.campaign_id == campaign_id, check_ins.c.day > after_day
        )
    ).one()
    return found[0], found[1]


class _Window(NamedTuple):
    """The time that a campaign ran, [``first``, ``last``), and as long a time before, since ``before``."""

    before: datetime
    first: datetime
    last: datetime

    @classmethod
    def of(cls, starts_at: datetime, ends_at: datetime) -> "_Window":
        return cls(starts_at - (ends_at - starts_at), starts_at, ends_at)


def _new_members(conn: Connection, campaign_id: str, window: _Window) -> Against:
    """Count the accounts made in each half of ``window``; who came by an invitation counts as ``during``.

    A newcomer whom this campaign's invitations brought in its enrolment, before day 1, is its doing: that
    is ``during`` too and never ``before``. Both halves stay equally long.

    Accounts are stamped by the wall clock: where the campaign's was moved, it is taken back to that.
    """
    moves = clocks.moves_of(conn, campaign_process_id(campaign_id))
    before, first, last = (wall_instant(at, moves) for at in window)
    made = select(func.count()).select_from(people)
    found = _against(conn, made, people.c.joined_at, _Window(before, first, last))
    early = made.join(invitation_joins, invitation_joins.c.friend_id == people.c.id).where(
        invitation_joins.c.campaign_id == campaign_id,
        invitation_joins.c.new_member,
        people.c.joined_at < first,
    )
    brought = conn.execute(early).scalar_one()
    not_before = conn.execute(early.where(people.c.joined_at >= before)).scalar_one()
    return Against(during=found.during + brought, before=found.before - not_before)


def _shares(campaign_id: str) -> Any:
    members = select(enrolments.c.person_id).where(enrolments.c.campaign_id == campaign_id)
    return select(func.count()).where(
        contributions.c.kind == ContributionKind.SHARE.value, contributions.c.person_id.in_(members)
    )


def _shared(conn: Connection, campaign_id: str, window: _Window) -> Against:
    """Count what members shared: where the community lives, and notes passed on from their public pages."""
    found = _against(conn, _shares(campaign_id), contributions.c.occurred_at, window)
    before, first, last = window
    return Against(
        during=found.during + share_visits.shares_between(conn, campaign_id, first, last),
        before=found.before + share_visits.shares_between(conn, campaign_id, before, first),
    )


def _against(conn: Connection, counted: Any, at: Any, window: _Window) -> Against:
    """Count while the campaign ran, and in as long a time before."""

    def between(since: datetime, until: datetime) -> int:
        return int(conn.execute(counted.where(and_(at >= since, at < until))).scalar_one())

    return Against(during=between(window.first, window.last), before=between(window.before, window.first))
