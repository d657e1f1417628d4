"""The policy of a process: its windows, thresholds and quorums, with the community's defaults.

A policy is versioned in the database and edited by staff; a process takes a snapshot when it starts.
"""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Days = Annotated[int, Field(ge=1, le=365)]
Share = Annotated[float, Field(gt=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IntakePolicy(_Frozen):
    """Limits on what an applicant hands in."""

    max_file_bytes: int = Field(10 * 1024 * 1024, ge=1024, le=100 * 1024 * 1024)
    max_files: int = Field(10, ge=1, le=50)


class ReviewPolicy(_Frozen):
    """Credential review: how many agree, and when the silent are reminded (days)."""

    reviewers: int = Field(2, ge=1, le=2)
    reminder_after_days: Days = 3
    escalation_after_days: Days = 5
    changes_window_days: Days = 14
    changes_reminder_days: tuple[Days, ...] = Field((7, 12), max_length=10)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.escalation_after_days <= self.reminder_after_days:
            raise PydanticCustomError(
                "escalation_before_reminder", "the escalation must come later than the reminder"
            )
        if any(day >= self.changes_window_days for day in self.changes_reminder_days):
            raise PydanticCustomError(
                "reminders_outside_window", "the reminders must lie within the time for changes"
            )
        if list(self.changes_reminder_days) != sorted(set(self.changes_reminder_days)):
            raise PydanticCustomError("days_must_rise", "the days must rise, each named once")
        return self


class VotePolicy(_Frozen):
    """Member vote: window and extension in days, quorum and approval as shares."""

    window_days: Days = 7
    extension_days: Days = 3
    reminder_before_close_hours: int = Field(24, ge=1, le=24 * 30)
    member_for_days: int = Field(30, ge=0, le=3650)
    quorum_share: Share = 0.10
    quorum_minimum: int = Field(5, ge=1, le=1_000_000)
    approval_share: Share = 0.60
    mail_shards: int = Field(8, ge=1, le=64)

    @model_validator(mode="after")
    def _reminder_inside_window(self) -> Self:
        if self.reminder_before_close_hours >= 24 * min(self.window_days, self.extension_days):
            raise PydanticCustomError(
                "reminder_before_opening", "the reminder must come within the vote and within its extension"
            )
        return self


class ProbationPolicy(_Frozen):
    """Probation: length in days and the targets of steady output and quality of interaction."""

    length_days: Days = 60
    extension_days: Days = 30
    posts_a_week: int = Field(2, ge=0, le=100)
    steady_weeks_share: Share = 0.80
    answer_within_hours: int = Field(72, ge=1, le=24 * 30)
    answered_share: Share = 0.70
    rating_minimum: float = Field(4.0, ge=1, le=5)
    ratings_needed: int = Field(10, ge=0, le=10_000)
    decision_reminder_days: Days = 3
    decision_escalation_days: Days = 5

    @model_validator(mode="after")
    def _weeks_fit(self) -> Self:
        if min(self.length_days, self.extension_days) < 7:
            raise PydanticCustomError(
                "probation_under_a_week", "probation and its extension must hold at least one week"
            )
        if self.decision_escalation_days <= self.decision_reminder_days:
            raise PydanticCustomError(
                "escalation_before_reminder", "the escalation must come later than the reminder"
            )
        return self


class AppealPolicy(_Frozen):
    """Appeal: how long one may be made and how long staff have to decide (days)."""

    window_days: Days = 14
    decision_days: Days = 7
    reminder_after_days: Days = 5

    @model_validator(mode="after")
    def _reminder_first(self) -> Self:
        if self.reminder_after_days >= self.decision_days:
            raise PydanticCustomError(
                "reminder_after_decision", "the reminder must come before the decision is due"
            )
        return self


class VettingPolicy(_Frozen):
    """All rules of vetting, as one process takes them with it."""

    intake: IntakePolicy = IntakePolicy()
    review: ReviewPolicy = ReviewPolicy()
    vote: VotePolicy = VotePolicy()
    probation: ProbationPolicy = ProbationPolicy()
    appeal: AppealPolicy = AppealPolicy()
    cooldown_days: int = Field(90, ge=0, le=3650)
    fraud_cooldown_days: int = Field(365, ge=1, le=3650)

    @property
    def cooldown(self) -> timedelta:
        """How long after a rejection the same person may not submit again."""
        return timedelta(days=self.cooldown_days)

    @property
    def fraud_cooldown(self) -> timedelta:
        """The same after a rejection for fraud: never at once, and never shorter than the usual one."""
        return timedelta(days=max(self.cooldown_days, self.fraud_cooldown_days))
