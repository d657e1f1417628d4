"""The state of one campaign, its alarms, and what a transition asks to be done.

Day n is the n-th day of the campaign; ``day`` is the one that is open, 0 before the first. Pauses move the
days that were still to come: each is a ``Shift``.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.campaigns.calendar import Shift, day_closes, day_opens
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.terms import IfNothing, ReasonCode, Refusal, Status, WaitingOn
from domain.mail import MailTemplate
from domain.process import Entry, ProcessState, Refused, Timed


class AlarmKind(StrEnum):
    """What a deadline is for."""

    REVIEW_REMINDER = "review_reminder"
    START_MISSED = "start_missed"
    CHANGES_EXPIRY = "changes_expiry"
    ENROLMENT_OPENS = "enrolment_opens"
    DAY_OPENS = "day_opens"
    REMINDER = "reminder"
    DAY_CLOSES = "day_closes"


CONSEQUENCE = {
    AlarmKind.REVIEW_REMINDER: IfNothing.STAFF_REMINDED,
    AlarmKind.START_MISSED: IfNothing.SENT_BACK,
    AlarmKind.CHANGES_EXPIRY: IfNothing.DROPPED,
    AlarmKind.ENROLMENT_OPENS: IfNothing.ENROLMENT_OPENS,
    AlarmKind.DAY_OPENS: IfNothing.CAMPAIGN_STARTS,
    AlarmKind.DAY_CLOSES: IfNothing.DAY_CLOSES,
}
"""The alarms that people are told as a deadline, with what happens then; a reminder is none."""

WITHOUT_DEADLINE = {
    Status.DRAFT: IfNothing.STAYS_DRAFT,
    Status.PAUSED: IfNothing.STAYS_PAUSED,
    Status.SETTLING: IfNothing.SETTLES,
}
"""What happens where nothing is due; everywhere else that is nothing."""


class Alarm(Timed):
    """An instant at which the campaign acts by itself; ``number`` is the day, ``slot`` a reminder's hour."""

    kind: AlarmKind
    number: int = 0
    slot: int = 0

    @property
    def step(self) -> str:
        """The name of the step that is made when it rings."""
        return f"alarm:{self.kind}:{self.number}:{self.slot}:{self.at.isoformat()}"


class OrderKind(StrEnum):
    """Work outside the process whose result it waits for."""

    CLOSE_DAY = "close_day"
    REMIND = "remind"
    SETTLE = "settle"
    TELL = "tell"
    AMNESTY = "amnesty"


class Notice(BaseModel):
    """A letter to everybody who takes part; ``data`` holds codes, ids and instants only.

    ``waiting`` sends it to those in line too, ``joined_by`` to those alone whose first day it was by then;
    without ``members`` it goes to nobody but those in line.
    """

    model_config = ConfigDict(frozen=True)

    template: MailTemplate
    data: dict[str, Any] = Field(default_factory=dict)
    waiting: bool = False
    members: bool = True
    joined_by: int | None = None


class Order(BaseModel):
    """One piece of such work; ``number`` is the day, ``slot`` the hour of a reminder.

    Of a notice and an amnesty ``number`` is the line of the timeline that they go back to.
    """

    model_config = ConfigDict(frozen=True)

    kind: OrderKind
    number: int = 0
    slot: int = 0
    notice: Notice | None = None

    @property
    def step(self) -> str:
        """The name of the step that is made when the order has been carried out."""
        return f"order:{self.kind}:{self.number}:{self.slot}"


class Audience(StrEnum):
    """Whom a mail of the process goes to; the addresses are looked up when it is queued."""

    LEADER = "leader"
    MANAGERS = "managers"
    JUDGES = "judges"


class MailOrder(BaseModel):
    """A mail to be queued together with a transition; ``data`` holds codes, ids and instants only."""

    model_config = ConfigDict(frozen=True)

    template: MailTemplate
    audience: Audience
    data: dict[str, Any] = Field(default_factory=dict)


class Amnesty(BaseModel):
    """Days on which everybody rests after an outage; ``number`` is the line of the timeline that says so."""

    model_config = ConfigDict(frozen=True)

    number: int
    days: tuple[int, ...]
    declared_by: str
    declared_at: datetime
    note_id: str | None = None


class Effects(BaseModel):
    """What a transition asks to be written together with the new state, all of it or nothing.

    ``reserve`` asks for so many more points from the pool; ``release`` gives the reserve's rest back.
    """

    entries: list[Entry] = Field(default_factory=list)
    mails: list[MailOrder] = Field(default_factory=list)
    reserve: int = 0
    release: bool = False
    amnesty: Amnesty | None = None

    def mail(self, template: MailTemplate, audience: Audience, **data: Any) -> None:
        """Order a mail; ``data`` holds codes, ids and instants only, never personal data."""
        self.mails.append(MailOrder(template=template, audience=audience, data=data))


class CampaignState(ProcessState[Alarm, Order]):
    """Everything that one campaign's process knows; ids, decisions and times, no personal data."""

    campaign_id: str
    leader_id: str
    policy: CampaignPolicy
    policy_version: int
    plan: CampaignPlan | None = None
    entries: int = 0

    status: Status = Status.DRAFT
    waiting_on: WaitingOn = WaitingOn.LEADER
    waiting_since: datetime | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    reasons: tuple[ReasonCode, ...] = ()
    decided_by: str | None = None

    day: int = 0
    closed_through: int = 0
    reserved: int = 0
    shifts: tuple[Shift, ...] = ()
    paused_at: datetime | None = None
    paused_from: Status | None = None
    cancelled: bool = False
    amnesties: tuple[Amnesty, ...] = ()

    @property
    def agreed(self) -> CampaignPlan:
        """The plan that was handed in; only a draft that was never handed in has none."""
        if self.plan is None:
            raise Refused(Refusal.WRONG_STAGE, campaign_status=self.status.value)
        return self.plan

    @property
    def deadline(self) -> Alarm | None:
        """The next alarm that people are told of as a deadline."""
        told = (alarm for alarm in self.alarms if alarm.kind in CONSEQUENCE)
        return min(told, key=lambda alarm: alarm.at, default=None)

    @property
    def if_nothing_happens(self) -> IfNothing:
        """What happens at the deadline if nobody acts."""
        alarm = self.deadline
        if alarm is None:
            return WITHOUT_DEADLINE.get(self.status, IfNothing.NOTHING)
        if alarm.kind is AlarmKind.DAY_CLOSES and alarm.number >= self.agreed.length_days:
            return IfNothing.LAST_DAY_CLOSES
        return CONSEQUENCE[alarm.kind]

    def opens(self, day: int) -> datetime:
        """Return when (UTC) day ``day`` opens, pauses so far included."""
        return day_opens(self.agreed, day, self.shifts)

    def closes(self, day: int) -> datetime:
        """Return when (UTC) day ``day`` closes, pauses so far included."""
        return day_closes(self.agreed, day, self.shifts)

    def move(
        self, status: Status, waiting_on: WaitingOn, now: datetime, alarms: Iterable[Alarm] = ()
    ) -> None:
        """Enter ``status``: who must act, since when, and the alarms that replace all earlier ones."""
        self.status, self.waiting_on, self.waiting_since = status, waiting_on, now
        self.alarms = tuple(alarms)

    def note(
        self,
        effects: Effects,
        now: datetime,
        code: str,
        actor_id: str | None = None,
        note_id: str | None = None,
        **detail: Any,
    ) -> None:
        """Add one line to the timeline."""
        self.entries += 1
        effects.entries.append(
            Entry(seq=self.entries, at=now, code=code, actor_id=actor_id, detail=detail, note_id=note_id)
        )

    def require(self, *statuses: Status) -> None:
        """Refuse unless the campaign is in one of ``statuses``."""
        if self.closed:
            raise Refused(Refusal.NOT_OPEN, campaign_status=self.status.value)
        if self.status not in statuses:
            raise Refused(Refusal.WRONG_STAGE, campaign_status=self.status.value)

    def require_alarm(self, alarm: Alarm) -> None:
        """Refuse an alarm that the state has dropped meanwhile, and take it off the list."""
        if not self.has(alarm):
            raise Refused(Refusal.WRONG_STAGE, campaign_status=self.status.value)
        self.take(alarm)

    def require_leader(self, actor_id: str) -> None:
        """Refuse everyone but the campaign's leader."""
        if actor_id != self.leader_id:
            raise Refused(Refusal.NOT_THE_LEADER)
