"""The report of a campaign: what it did for the community, from plain counts. Shares are from 0 to 1."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from domain.campaigns.growth import Growth


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReportDay(_Frozen):
    """One day: who took part, who checked in on it, and who made it up later."""

    day: int
    opened_at: datetime
    active: int
    checked_in: int
    made_up: int


class Against(_Frozen):
    """A count while the campaign ran, and in the same number of days before.

    New members whom its invitations brought before its first day count as ``during``, never as ``before``.
    """

    during: int
    before: int

    @property
    def growth(self) -> float | None:
        """The change against before, 0.4 for +40 %; None where there was nothing before."""
        return (self.during - self.before) / self.before if self.before else None


class Paid(_Frozen):
    """Points paid, by what for, and how much was reserved for them."""

    reserved: int
    check_in: int
    streak: int
    completion: int
    rank: int
    invitation: int

    @property
    def total(self) -> int:
        """All points paid."""
        return self.check_in + self.streak + self.completion + self.rank + self.invitation


class Reach(_Frozen):
    """What came of the notes that the leader featured: visits, each visitor once, and who enrolled."""

    notes: int = 0
    visits: int = 0
    joins: int = 0


class Report(_Frozen):
    """Everything the report says, as counts; what can be divided is divided where it is shown."""

    campaign_id: str
    cancelled: bool
    days_run: int
    members: int
    left: int
    started: int
    completed: int
    still_there: int
    check_ins: int
    days: tuple[ReportDay, ...]
    new_members: Against
    shares: Against
    paid: Paid
    growth: Growth | None = None
    """What invitations did; None in reports that were kept before it was counted."""
    featured: Reach = Reach()

    @property
    def completion(self) -> float:
        """The share of the members who completed it."""
        return self.completed / self.members if self.members else 0.0

    @property
    def retention(self) -> float:
        """Of those who ever checked in, the share who did so within the last seven days."""
        return self.still_there / self.started if self.started else 0.0

    @property
    def cost_of_a_new_member(self) -> float | None:
        """Points paid for each new member of the community; None without any."""
        return self.paid.total / self.new_members.during if self.new_members.during else None
