"""Probation: what a provisional leader is measured by, week by week and at the end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from domain.ballots import exact_share
from domain.policy import ProbationPolicy
from domain.vetting import ProbationDecision

WEEK = timedelta(days=7)


class Target(StrEnum):
    """The targets of probation."""

    STEADY_OUTPUT = "steady_output"
    ANSWERS = "answers"
    RATING = "rating"
    CONDUCT = "conduct"


class Figures(BaseModel):
    """Activity of one leader in one span of time: counts, and the sum of stars given."""

    model_config = ConfigDict(frozen=True)

    posts: int = Field(0, ge=0)
    questions: int = Field(0, ge=0)
    answered_in_time: int = Field(0, ge=0)
    ratings: int = Field(0, ge=0)
    rating_sum: int = Field(0, ge=0)
    violations: int = Field(0, ge=0)


class TargetResult(BaseModel):
    """One target: the value reached (None: nothing to measure), the value needed, whether it is met."""

    model_config = ConfigDict(frozen=True)

    target: Target
    value: float | None
    needed: float
    met: bool


class Evaluation(BaseModel):
    """The computed judgement at the end of probation."""

    model_config = ConfigDict(frozen=True)

    targets: tuple[TargetResult, ...]
    recommendation: ProbationDecision

    @property
    def missed(self) -> tuple[Target, ...]:
        """The targets that were not met."""
        return tuple(result.target for result in self.targets if not result.met)


def week_bounds(starts_at: datetime, week: int) -> tuple[datetime, datetime]:
    """Return the half-open span (UTC) of ``week``, counted from 1."""
    return starts_at + (week - 1) * WEEK, starts_at + week * WEEK


def full_weeks(starts_at: datetime, ends_at: datetime) -> int:
    """Return how many whole weeks the span holds; a rest of days is not judged as a week."""
    return (ends_at - starts_at) // WEEK


def midterm(starts_at: datetime, ends_at: datetime) -> datetime:
    """Return the instant of the mid-term feedback: half of the span, to the second."""
    return (starts_at + (ends_at - starts_at) / 2).replace(microsecond=0)


def steady_output(weekly_posts: Sequence[int], policy: ProbationPolicy) -> TargetResult:
    """Judge the share of weeks with enough posts."""
    steady = sum(posts >= policy.posts_a_week for posts in weekly_posts)
    share = Fraction(steady, len(weekly_posts)) if weekly_posts else Fraction(1)
    needed = exact_share(policy.steady_weeks_share)
    return TargetResult(
        target=Target.STEADY_OUTPUT, value=float(share), needed=float(needed), met=share >= needed
    )


def answers(total: Figures, policy: ProbationPolicy) -> TargetResult:
    """Judge the share of due questions answered in time; without a question the target is met."""
    needed = exact_share(policy.answered_share)
    if not total.questions:
        return TargetResult(target=Target.ANSWERS, value=None, needed=float(needed), met=True)
    share = Fraction(total.answered_in_time, total.questions)
    return TargetResult(target=Target.ANSWERS, value=float(share), needed=float(needed), met=share >= needed)


def rating(total: Figures, policy: ProbationPolicy) -> TargetResult:
    """Judge the mean rating, of as many ratings as the policy asks for."""
    needed = exact_share(policy.rating_minimum)
    mean = Fraction(total.rating_sum, total.ratings) if total.ratings else None
    enough = total.ratings >= policy.ratings_needed
    return TargetResult(
        target=Target.RATING,
        value=None if mean is None else float(mean),
        needed=float(needed),
        met=enough and (mean is None or mean >= needed),
    )


def conduct(total: Figures) -> TargetResult:
    """Judge conduct: no confirmed violation."""
    return TargetResult(
        target=Target.CONDUCT, value=float(total.violations), needed=0.0, met=total.violations == 0
    )


def evaluate(
    weekly_posts: Sequence[int], total: Figures, policy: ProbationPolicy, *, extended: bool
) -> Evaluation:
    """Judge a span of probation.

    All targets met recommends a pass; a confirmed violation, or targets missed a second time,
    recommends to fail; targets missed the first time recommend the one extension.
    """
    results = (
        steady_output(weekly_posts, policy),
        answers(total, policy),
        rating(total, policy),
        conduct(total),
    )
    if all(result.met for result in results):
        advice = ProbationDecision.PASS
    elif total.violations or extended:
        advice = ProbationDecision.FAIL
    else:
        advice = ProbationDecision.EXTEND
    return Evaluation(targets=results, recommendation=advice)
