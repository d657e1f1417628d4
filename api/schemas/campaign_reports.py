"""The report of a campaign in JSON. Shares are from 0 to 1, amounts in whole points."""

from datetime import date, datetime

from pydantic import BaseModel

from api.schemas.invitation_growth import GrowthOut, TreeFiguresOut


class ReportDayOut(BaseModel):
    """One day: who took part, who checked in on it, who made it up later; ``on`` is the campaign's date."""

    day: int
    on: date
    opened_at: datetime
    active: int
    checked_in: int
    made_up: int


class AgainstOut(BaseModel):
    """A count while it ran, and in as many days before; ``growth`` 0.4 is +40 %, null from nothing.

    New members whom its invitations brought before its first day count as ``during``, never as ``before``.
    """

    during: int
    before: int
    growth: float | None


class PaidOut(BaseModel):
    """Points paid, by what for, and how many were reserved for them."""

    reserved: int
    check_in: int
    streak: int
    completion: int
    rank: int
    invitation: int
    total: int


class ReachOut(BaseModel):
    """What came of featured notes: visits, each visitor once, and enrolments after reading one."""

    notes: int
    visits: int
    joins: int


class LaterOut(BaseModel):
    """Friends whom staff let count after the settlement, and the points paid for them: in no other figure."""

    friends: int
    points: int


class ReportOut(BaseModel):
    """What a campaign did for the community; ``growth`` and ``tree`` are null in older reports."""

    campaign_id: str
    title: str
    cancelled: bool
    days_run: int
    members: int
    left: int
    started: int
    completed: int
    completion: float
    still_there: int
    retention: float
    check_ins: int
    new_members: AgainstOut
    shares: AgainstOut
    cost_of_a_new_member: float | None
    paid: PaidOut
    later: LaterOut
    featured: ReachOut
    days: list[ReportDayOut]
    growth: GrowthOut | None
    tree: TreeFiguresOut | None
