"""Taking part in a campaign, in JSON: enrolments, check-ins, the member's own day, leaderboards."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input, OneLine, PlainText
from api.schemas.applications import Id, PersonOut
from domain.campaigns.members import Place
from domain.campaigns.mentions import MentionOutcome
from domain.campaigns.plan import MAX_DAYS, Board
from domain.campaigns.requirements import MAX_LINK
from domain.campaigns.terms import Status

ReminderHour = Annotated[int, Field(ge=0, le=23, description="Hour of the campaign's day, local time.")]
InviteCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
CheckInNote = Annotated[PlainText, Field(max_length=5_000)]
Link = Annotated[OneLine, Field(min_length=1, max_length=MAX_LINK)]


class EnrolIn(Input):
    """A wish to take part; a campaign by invitation needs a code.

    In an open one a code that leads nowhere is passed over: taking part does not hang on it.
    """

    invite_code: InviteCode | None = None
    reminder_hour: ReminderHour | None = None


class EnrolmentChanges(Input):
    """Changes to the own enrolment; a reminder hour of null means no reminders."""

    reminder_hour: ReminderHour | None


class EnrolmentOut(BaseModel):
    """The own enrolment. ``place_in_line`` counts from 1, and is null for who does not wait."""

    campaign_id: str
    status: Place
    first_day: int
    reminder_hour: int | None
    place_in_line: int | None
    enrolled_at: datetime


class CheckInIn(Input):
    """A check-in for today, or by ``makeup_for_day`` for a day that was missed."""

    note: CheckInNote = ""
    link: Link | None = None
    makeup_for_day: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None
    picture_id: Id | None = None
    private: Annotated[bool, Field(description="This note is not to be featured.")] = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.note and self.link is None and self.picture_id is None:
            raise PydanticCustomError("no_proof", "must hold a note, a link or a picture")
        return self


class MentionOut(BaseModel):
    """A name after ``@`` in a note and whose it is; one that several have is ``ambiguous`` and nobody's.

    Of one that is ``unknown``, ``name`` is the first word, and those after it that have a capital too.
    """

    name: str
    outcome: MentionOutcome
    person: PersonOut | None = None


class InvitedOut(BaseModel):
    """An address after ``@`` in a note: ``invited``, or the code of the problem that kept it from that."""

    email: str
    outcome: str
    invitation_id: str | None = None


class CheckInOut(BaseModel):
    """A check-in that counts: its day, the streak that it led to (days), the points that it earned.

    ``mentions`` and ``invited`` say what became of every ``@`` in its note.
    """

    id: str
    day: int
    streak: int
    points: int
    mentions: tuple[MentionOut, ...] = ()
    invited: tuple[InvitedOut, ...] = ()


class NotePiece(BaseModel):
    """A part of a note: text, or the mention of a person."""

    text: str
    person_id: str | None = None


class MentioningOut(BaseModel):
    """A note that mentions me: by whom, for which day, when, and the note in its parts."""

    author: PersonOut
    day: int
    at: datetime
    note: list[NotePiece]


class DayState(StrEnum):
    """What a day is to a member."""

    DONE = "done"
    MADE_UP = "made_up"
    MISSED = "missed"
    REST = "rest"
    OPEN = "open"
    AHEAD = "ahead"
    BEFORE = "before"


class MyDay(BaseModel):
    """One day of the campaign and what the member did on it; ``can_make_up`` takes a card."""

    day: int
    on: date
    state: DayState
    can_make_up: bool


class TodayOut(BaseModel):
    """A member's own place in a campaign. ``day`` is 0 before the start; instants are the campaign's own.

    ``missed_days`` can still be made up. ``points_so_far`` are paid at the settlement, and after it what was
    paid; ``friends`` are those who came by an invitation and stayed; ``rank`` is the place on the board of
    days, null without one.
    """

    campaign_id: str
    campaign_status: Status
    status: Place
    day: int
    closes_at: datetime | None
    now: datetime
    done_today: bool
    rest_today: bool
    streak: int
    best_streak: int
    days_done: int
    missed_days: list[int]
    cards_left: int
    points_so_far: int
    friends: int
    rank: int | None
    reminder_hour: int | None
    certificate_code: str | None
    days: list[MyDay]


class NextStep(StrEnum):
    """What a member has to do next in a campaign, or waits for."""

    CHECK_IN = "check_in"
    REST_TODAY = "rest_today"
    DONE_TODAY = "done_today"
    WAIT_FOR_A_PLACE = "wait_for_a_place"
    WAIT_FOR_THE_START = "wait_for_the_start"
    WAIT_FOR_RESUMING = "wait_for_resuming"
    WAIT_FOR_POINTS = "wait_for_points"


class MyCampaignOut(BaseModel):
    """A campaign that the reader takes part in. ``friends`` came and stayed; instants are its own."""

    id: str
    title: str
    status: Status
    place: Place
    next_step: NextStep
    day: int
    length_days: int
    starts_at: datetime | None
    closes_at: datetime | None
    now: datetime
    streak: int
    friends: int


class MyCampaignsOut(BaseModel):
    """The campaigns that the reader takes part in and that are not over; those to check in to come first."""

    items: list[MyCampaignOut]


class BoardLine(BaseModel):
    """One line of a board; who is tied shares the place."""

    place: int
    person: PersonOut
    value: int


class OwnPlace(BaseModel):
    """The reader's own place."""

    place: int
    value: int


class LeaderboardOut(BaseModel):
    """A page of a board; ``own`` is null for who is not on it."""

    by: Board
    items: list[BoardLine]
    own: OwnPlace | None
    next_cursor: str | None
