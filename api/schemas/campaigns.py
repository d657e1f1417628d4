"""Campaigns in JSON, as leaders write them and as they are read."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input, OneLine, PlainText
from api.schemas.applications import PersonOut
from api.schemas.invitation_growth import GrowthOut
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.terms import (
    IfNothing,
    Joining,
    ReasonCode,
    ReviewDecision,
    Status,
    WaitingOn,
    gives_places,
    joining,
)
from domain.dates import Day

TEMPLATE_CODE: Final = r"^[a-z][a-z0-9_]{2,31}$"
Title = Annotated[OneLine, Field(min_length=1, max_length=120)]
Summary = Annotated[OneLine, Field(max_length=300)]
Words = Annotated[PlainText, Field(max_length=5_000)]
Note = Annotated[PlainText, Field(min_length=1, max_length=5_000)]


class CampaignIn(Input):
    """A draft from a template; texts and plan that are not given are the template's."""

    template: Annotated[str, Field(pattern=TEMPLATE_CODE, max_length=32)]
    starts_on: Day
    title: Title | None = None
    summary: Summary | None = None
    description: Words | None = None
    task: Words | None = None
    plan: CampaignPlan | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.plan is not None and self.plan.starts_on != self.starts_on:
            raise PydanticCustomError("starts_on", "must be the same day as the plan's")
        return self


class CampaignChanges(Input):
    """Changes to a draft, at least one; a plan replaces the whole plan."""

    title: Title | None = None
    summary: Summary | None = None
    description: Words | None = None
    task: Words | None = None
    plan: CampaignPlan | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.words and self.plan is None:
            raise PydanticCustomError("nothing_named", "must name at least one field")
        return self

    @property
    def words(self) -> dict[str, Any]:
        """The texts that were given."""
        return self.model_dump(exclude={"plan"}, exclude_none=True)


class ReviewIn(Input):
    """What staff decide; anything but an approval needs a reason."""

    decision: ReviewDecision
    reasons: Annotated[list[ReasonCode], Field(max_length=10)] = []
    note: Note | None = None


class StopIn(Input):
    """Why a campaign is paused or cancelled; the leader reads it."""

    reason: Note | None = None


class ExtendIn(Input):
    """How many days are added."""

    days: Annotated[int, Field(ge=1, le=365)]


class CampaignStatusOut(BaseModel):
    """Where a campaign stands: who must act, by when, and what happens if nobody does."""

    id: str
    status: Status
    waiting_on: WaitingOn
    waiting_since: datetime | None
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    if_nothing_happens_text: str
    day: int
    day_closes_at: datetime | None
    length_days: int
    starts_at: datetime | None
    ends_at: datetime | None
    reserved: int
    reasons: list[ReasonCode]


class CampaignSummary(CampaignStatusOut):
    """A campaign in a list; ``now`` is its own time, the dates of its days are those of its own zone."""

    now: datetime
    first_date: date | None
    last_date: date | None
    title: str
    summary: str
    template: str
    leader: PersonOut
    members: int
    capacity: int


class CampaignOut(CampaignSummary):
    """A whole campaign; ``liability`` is the most that its plan can pay (points)."""

    description: str
    task: str
    plan: CampaignPlan
    liability: int
    warnings: list[str]
    edit_version: int
    editable: bool
    reminder_hours: list[int]
    created_at: datetime

    @property
    def gives_places(self) -> bool:
        """Whether a place that is free is still given away."""
        return gives_places(self.status, self.day, self.plan.last_joining_day)

    @property
    def joining(self) -> Joining:
        """What who wants to take part can do now."""
        return joining(self.status, self.day, self.members, self.plan)


class DayOut(BaseModel):
    """One day in figures, open ones as they are now; ``on`` is its date where the campaign is."""

    day: int
    on: date
    opened_at: datetime
    closed_at: datetime | None
    active: int
    checked_in: int
    missed: int


class MetricsOut(BaseModel):
    """The live numbers of a campaign."""

    members: int
    waiting: int
    left: int
    checked_in_today: int
    average_streak: float
    days: list[DayOut]
    invitations: GrowthOut | None = None
