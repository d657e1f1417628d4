"""The plan of a campaign: everything its leader can set, frozen once staff have approved it.

Days are calendar days of the campaign's own time zone, which end at the cut-off of the next morning.
Points are whole points of the community's ledger.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from domain.dates import Day

Points = Annotated[int, Field(ge=0, le=1_000_000)]
Weekday = Annotated[int, Field(ge=0, le=6)]
MAX_DAYS = 365
MAX_CAPACITY = 5_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Enrolment(StrEnum):
    """Who may enrol: everybody, or only who has an invitation."""

    OPEN = "open"
    INVITATION = "invitation"


class InvitationMode(StrEnum):
    """Invitations inside the community may be rewarded; sharing outside is tracked and never rewarded."""

    OFF = "off"
    INSIDE = "inside"
    OUTSIDE = "outside"


class Proof(StrEnum):
    """What a check-in may consist of."""

    NOTE = "note"
    LINK = "link"
    PICTURE = "picture"


class Board(StrEnum):
    """What a leaderboard ranks by."""

    DAYS = "days"
    STREAK = "streak"
    INVITATIONS = "invitations"


class RequirementPlan(_Frozen):
    """What meets a day's requirement: one of ``proofs``; a note has at least so many characters."""

    proofs: tuple[Proof, ...] = Field((Proof.NOTE,), min_length=1, max_length=len(Proof))
    min_note_characters: int = Field(20, ge=1, le=2000)

    @field_validator("proofs")
    @classmethod
    def _once(cls, proofs: tuple[Proof, ...]) -> tuple[Proof, ...]:
        if len(set(proofs)) != len(proofs):
            raise PydanticCustomError("proofs_once", "must name each kind of proof once")
        return proofs


class StreakBonus(_Frozen):
    """Points for the first time that somebody's streak reaches so many days."""

    days: int = Field(ge=2, le=MAX_DAYS)
    points: Points


class RankPrize(_Frozen):
    """The points of one place (1 is the first) on one board."""

    board: Board = Board.DAYS
    place: int = Field(ge=1, le=1000)
    points: Points


class RewardPlan(_Frozen):
    """What is paid at the settlement, in points."""

    check_in: Points = 2
    streaks: tuple[StreakBonus, ...] = Field((), max_length=10)
    completion: Points = 50
    completion_share: float = Field(0.8, gt=0, le=1)
    ranks: tuple[RankPrize, ...] = Field((), max_length=100)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({bonus.days for bonus in self.streaks}) != len(self.streaks):
            raise PydanticCustomError("streaks_once", "must name each streak once")
        if len({(prize.board, prize.place) for prize in self.ranks}) != len(self.ranks):
            raise PydanticCustomError("ranks_once", "must name each place of a board once")
        return self


class InvitationPlan(_Frozen):
    """Invitations: the goal a member is shown, and the reward for a friend's own activity."""

    mode: InvitationMode = InvitationMode.INSIDE
    goal: int = Field(3, ge=0, le=100)
    points: Points = 20
    rewarded_at_most: int = Field(3, ge=0, le=100)
    activating_check_ins: int = Field(3, ge=1, le=30)
    attribution_days: int = Field(7, ge=1, le=90)
    valid_days: int = Field(30, ge=1, le=365)

    @property
    def liability(self) -> int:
        """The most that one member can be paid for invitations."""
        return self.points * self.rewarded_at_most if self.mode is InvitationMode.INSIDE else 0


class MakeUpPlan(_Frozen):
    """Make-up cards: how many each member has, and how many days back one reaches."""

    cards: int = Field(3, ge=0, le=31)
    window_days: int = Field(3, ge=1, le=31)


class CampaignPlan(_Frozen):
    """A whole plan; ``cutoff_minutes`` is the minute of the local day at which a campaign day ends."""

    time_zone: str = Field("Asia/Shanghai", max_length=64)
    cutoff_minutes: int = Field(240, ge=0, le=12 * 60)
    starts_on: Day = Field(ge=date(1960, 1, 1), le=date(2100, 12, 31))
    length_days: int = Field(30, ge=1, le=MAX_DAYS)
    enrolment: Enrolment = Enrolment.OPEN
    enrolment_lead_days: int = Field(7, ge=0, le=90)
    late_enrolment_until_day: int = Field(7, ge=0, le=MAX_DAYS)
    capacity: int = Field(200, ge=1, le=MAX_CAPACITY)
    waiting_list: bool = True
    requirement: RequirementPlan = RequirementPlan()
    rest_weekdays: tuple[Weekday, ...] = Field((), max_length=6)
    make_up: MakeUpPlan = MakeUpPlan()
    nudge_after_missed: int = Field(3, ge=1, le=30)
    rewards: RewardPlan = RewardPlan()
    invitations: InvitationPlan = InvitationPlan()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PydanticCustomError("time_zone", "is not the name of a time zone") from error
        return name

    @field_validator("rest_weekdays")
    @classmethod
    def _each_weekday_once(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(days)))

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def last_day_on(self) -> date:
        """The calendar day of the last day as planned, without pauses or extensions."""
        return self.starts_on + timedelta(days=self.length_days - 1)

    @property
    def last_joining_day(self) -> int:
        """The last day one can join on; 0: one joins before the first day only."""
        return min(self.late_enrolment_until_day, self.length_days)
