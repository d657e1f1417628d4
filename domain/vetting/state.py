"""The state of one application in vetting, its alarms, and what a transition asks to be done.

Every transition is a function that takes the state (a copy that the caller may throw away; all its
values are immutable, so a shallow one does), changes it and returns :class:`Effects`. It raises
:class:`Refused` if the state forbids the request. All instants are UTC, of the process's own clock.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.ballots import Tally
from domain.checks import Flag
from domain.mail import MailTemplate
from domain.people import Role
from domain.policy import VettingPolicy
from domain.probation import Evaluation
from domain.process import Entry, ProcessState, Refused, Timed
from domain.vetting.terms import (
    REVIEW_STAGES,
    IfNothing,
    Opinion,
    ReasonCode,
    Refusal,
    Stage,
    Status,
    WaitingOn,
)


class AlarmKind(StrEnum):
    """What a deadline is for."""

    REVIEW_REMINDER = "review_reminder"
    REVIEW_ESCALATION = "review_escalation"
    LEAD_REMINDER = "lead_reminder"
    CHANGES_REMINDER = "changes_reminder"
    CHANGES_EXPIRY = "changes_expiry"
    BALLOT_REMINDER = "ballot_reminder"
    BALLOT_CLOSES = "ballot_closes"
    WEEK_ENDS = "week_ends"
    MIDTERM = "midterm"
    PROBATION_ENDS = "probation_ends"
    DECISION_REMINDER = "decision_reminder"
    DECISION_ESCALATION = "decision_escalation"
    APPEAL_WINDOW_ENDS = "appeal_window_ends"
    APPEAL_REMINDER = "appeal_reminder"
    APPEAL_OVERDUE = "appeal_overdue"


CONSEQUENCE = {
    AlarmKind.REVIEW_REMINDER: IfNothing.REVIEWER_REMINDED,
    AlarmKind.REVIEW_ESCALATION: IfNothing.ESCALATED_TO_LEAD,
    AlarmKind.LEAD_REMINDER: IfNothing.LEAD_REMINDED,
    AlarmKind.CHANGES_EXPIRY: IfNothing.EXPIRES,
    AlarmKind.BALLOT_CLOSES: IfNothing.BALLOT_COUNTED,
    AlarmKind.PROBATION_ENDS: IfNothing.PROBATION_JUDGED,
    AlarmKind.DECISION_REMINDER: IfNothing.STAFF_REMINDED,
    AlarmKind.DECISION_ESCALATION: IfNothing.STAFF_REMINDED,
    AlarmKind.APPEAL_WINDOW_ENDS: IfNothing.REJECTION_STANDS,
    AlarmKind.APPEAL_REMINDER: IfNothing.STAFF_REMINDED,
    AlarmKind.APPEAL_OVERDUE: IfNothing.STAFF_REMINDED,
}
"""The alarms that people are told as a deadline, with what happens then; the others only remind."""


class Alarm(Timed):
    """An instant at which the process acts by itself; ``number`` tells equal kinds apart."""

    kind: AlarmKind
    number: int = 0

    @property
    def step(self) -> str:
        """The name of the step that is made when it rings."""
        return f"alarm:{self.kind}:{self.number}"


class OrderKind(StrEnum):
    """Work outside the process whose result it waits for."""

    OPEN_BALLOT = "open_ballot"
    MAIL_ROLL = "mail_roll"
    COUNT_BALLOT = "count_ballot"
    EVALUATE_WEEK = "evaluate_week"
    JUDGE_PROBATION = "judge_probation"


class Order(BaseModel):
    """One piece of such work; ``number`` is the week, ``template`` the mail of a fan-out, ``why`` a cause."""

    model_config = ConfigDict(frozen=True)

    kind: OrderKind
    ballot_id: str | None = None
    number: int = 0
    template: MailTemplate | None = None
    why: str | None = None

    @property
    def step(self) -> str:
        """The name of the step that is made when the order has been carried out."""
        return f"order:{self.kind}:{self.number}:{self.template or self.why or ''}"


class Audience(StrEnum):
    """Whom a mail of the process goes to; the addresses are looked up when it is queued."""

    APPLICANT = "applicant"
    CLAIMANT = "claimant"
    REVIEWERS = "reviewers"
    LEADS = "leads"


class MailOrder(BaseModel):
    """A mail to be queued together with a transition; ``data`` holds codes, ids and instants only."""

    model_config = ConfigDict(frozen=True)

    template: MailTemplate
    audience: Audience
    data: dict[str, Any] = Field(default_factory=dict)


class Effects(BaseModel):
    """What a transition asks to be written together with the new state, all of it or nothing."""

    entries: list[Entry] = Field(default_factory=list)
    mails: list[MailOrder] = Field(default_factory=list)
    grant: Role | None = None
    revoke: Role | None = None
    certified_claims: tuple[str, ...] | None = None
    cancelled_ballot: str | None = None
    conflict_of: str | None = None

    def mail(self, template: MailTemplate, audience: Audience, **data: Any) -> None:
        """Order a mail; ``data`` holds codes, ids and instants only, never personal data."""
        self.mails.append(MailOrder(template=template, audience=audience, data=data))


class BallotState(BaseModel):
    """The current ballot as the process sees it."""

    model_config = ConfigDict(frozen=True)

    id: str
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    extended: bool = False
    roll: int | None = None
    tally: Tally | None = None


class Period(BaseModel):
    """One span of probation: 1 is the first, 2 its extension or the one won by appeal."""

    model_config = ConfigDict(frozen=True)

    number: int
    starts_at: datetime
    ends_at: datetime


class VettingState(ProcessState[Alarm, Order]):
    """Everything that one application's process knows; ids, decisions and times, no personal data."""

    application_id: str
    person_id: str
    policy: VettingPolicy
    policy_version: int

    status: Status = Status.DRAFT
    stage: Stage = Stage.INTAKE
    waiting_on: WaitingOn = WaitingOn.APPLICANT
    waiting_since: datetime | None = None
    timeline: tuple[Entry, ...] = ()
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    reapply_after: datetime | None = None

    round: int = 0
    claimed_by: str | None = None
    escalated: bool = False
    opinions: tuple[Opinion, ...] = ()
    decided_by: tuple[str, ...] = ()
    conflicted: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    reasons: tuple[ReasonCode, ...] = ()
    verified_claims: tuple[str, ...] = ()

    ballot: BallotState | None = None
    ballots: int = 0

    period: Period | None = None
    extended: bool = False
    violations: int = 0
    evaluation: Evaluation | None = None

    lost_in: Status | None = None
    appeal_used: bool = False
    appeal_until: datetime | None = None

    @property
    def deadline(self) -> Alarm | None:
        """The next alarm that people are told of as a deadline."""
        told = (alarm for alarm in self.alarms if alarm.kind in CONSEQUENCE)
        return min(told, key=lambda alarm: alarm.at, default=None)

    def told(self, kind: AlarmKind) -> str | None:
        """Return when the alarm of ``kind`` rings, as mails carry it; None if there is none."""
        return next((alarm.at.isoformat() for alarm in self.alarms if alarm.kind is kind), None)

    @property
    def if_nothing_happens(self) -> IfNothing:
        """What happens at the deadline if nobody acts."""
        if self.status is Status.DRAFT:
            return IfNothing.STAYS_DRAFT
        alarm = self.deadline
        return CONSEQUENCE[alarm.kind] if alarm else IfNothing.NOTHING

    @property
    def barred_staff(self) -> tuple[str, ...]:
        """Who may not act in this stage although their role allows it: mail to staff leaves them out."""
        decided: tuple[str, ...] = ()
        if self.stage in REVIEW_STAGES:
            decided = tuple(opinion.reviewer_id for opinion in self.opinions)
        elif self.stage is Stage.APPEAL_REVIEW:
            decided = self.decided_by
        return tuple(dict.fromkeys((*self.conflicted, *decided)))

    def move(self, stage: Stage, waiting_on: WaitingOn, now: datetime, alarms: Iterable[Alarm] = ()) -> None:
        """Enter ``stage``: who must act, since when, and the alarms that replace all earlier ones."""
        self.stage, self.waiting_on, self.waiting_since = stage, waiting_on, now
        self.alarms = tuple(alarms)
        self.claimed_by, self.escalated = None, False

    def done(self, order: Order) -> None:
        """Take ``order`` off the list; one that is no longer there has lost its cause and is refused."""
        self._take(order)

    def drop(self, alarm: Alarm) -> None:
        """Take ``alarm`` off the list; an alarm that is no longer there is refused."""
        self._take(alarm)

    def _take(self, item: Alarm | Order) -> None:
        if not self.has(item):
            raise Refused(Refusal.WRONG_STAGE, stage=self.stage.value)
        self.take(item)

    def note(
        self,
        effects: Effects,
        now: datetime,
        code: str,
        actor_id: str | None = None,
        note_id: str | None = None,
        **detail: Any,
    ) -> None:
        """Add one line to the timeline and to ``effects``."""
        entry = Entry(
            seq=len(self.timeline) + 1, at=now, code=code, actor_id=actor_id, detail=detail, note_id=note_id
        )
        self.timeline += (entry,)
        effects.entries.append(entry)

    def require(self, *stages: Stage) -> None:
        """Refuse unless the process is in one of ``stages``."""
        if self.closed:
            raise Refused(Refusal.NOT_OPEN)
        if self.stage not in stages:
            raise Refused(Refusal.WRONG_STAGE, stage=self.stage.value)

    def require_unconflicted(self, actor_id: str) -> None:
        """Refuse the applicant and whoever declared a conflict of interest."""
        if actor_id == self.person_id or actor_id in self.conflicted:
            raise Refused(Refusal.CONFLICT_OF_INTEREST)

    def require_applicant(self, actor_id: str) -> None:
        """Refuse everyone but the applicant."""
        if actor_id != self.person_id:
            raise Refused(Refusal.CONFLICT_OF_INTEREST)
