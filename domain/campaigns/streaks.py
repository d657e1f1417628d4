"""Streaks, missed days and make-up cards, counted in days of the campaign (from 1).

A streak is a run of days checked in. A rest day in between neither breaks it nor counts, unless it was
used; a day that is still open does not break it. Rest days are the plan's weekdays and every day of an
outage that staff declared: all functions take them as one set, ``rest``, and ``done`` as the days checked
in, made up ones included. Nothing here knows how often something was recomputed.
"""

from collections.abc import Set as AbstractSet
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.campaigns.plan import MakeUpPlan


class Standing(BaseModel):
    """Where a member stands on an open day, in days.

    ``required``, ``required_done`` and ``missed_in_a_row`` look at closed days since the enrolment only.
    """

    model_config = ConfigDict(frozen=True)

    days_done: int
    last_day: int
    streak: int
    best_streak: int
    required: int
    required_done: int
    missed_in_a_row: int


class MakeUpRefusal(StrEnum):
    """Why a day cannot be made up; the stable ``code`` of the problem."""

    NOT_OVER = "make_up_day_not_over"
    BEFORE_ENROLMENT = "make_up_before_enrolment"
    TOO_LATE = "make_up_too_late"
    ALREADY_DONE = "already_checked_in"
    NOT_REQUIRED = "make_up_not_required"
    NO_CARDS = "no_make_up_cards"


def streak_at(done: AbstractSet[int], day: int, rest: AbstractSet[int]) -> int:
    """Return the streak that is alive on ``day``, which may still be open; later days do not count."""
    length = 0
    for earlier in range(day, 0, -1):
        if earlier in done:
            length += 1
        elif earlier != day and earlier not in rest:
            break
    return length


def is_unbroken(last_day: int, day: int, rest: AbstractSet[int]) -> bool:
    """Tell whether nothing was missed between ``last_day`` (0: there was none) and ``day``."""
    return last_day > 0 and all(between in rest for between in range(last_day + 1, day))


def alive(streak: int, last_day: int, day: int, rest: AbstractSet[int]) -> int:
    """Return what is left on ``day`` of a streak whose last check-in was on ``last_day``: all or nothing."""
    return streak if is_unbroken(last_day, day, rest) else 0


def after_check_in(streak: int, last_day: int, day: int, rest: AbstractSet[int]) -> int:
    """Return the streak after a check-in on ``day``, from what it was on ``last_day`` (0: there was none).

    Raises ``ValueError`` for a day that is not later: a made up one needs the whole record.
    """
    if day <= last_day:
        raise ValueError("a check-in comes after the last one")
    return alive(streak, last_day, day, rest) + 1


def best_streak(done: AbstractSet[int], rest: AbstractSet[int]) -> int:
    """Return the longest streak that there ever was."""
    best = streak = last_day = 0
    for day in sorted(done):
        streak, last_day = after_check_in(streak, last_day, day, rest), day
        best = max(best, streak)
    return best


def missed_days(
    done: AbstractSet[int], through: int, rest: AbstractSet[int], first_day: int
) -> tuple[int, ...]:
    """Return the required days from the enrolment's (``first_day``) to ``through`` that were not done."""
    return tuple(day for day in range(first_day, through + 1) if day not in done and day not in rest)


def missed_in_a_row(done: AbstractSet[int], through: int, rest: AbstractSet[int], first_day: int) -> int:
    """Return how many required days up to ``through``, which is over, were missed one after the other."""
    last = max((day for day in done if day <= through), default=0)
    return len(missed_days(done, through, rest, max(first_day, last + 1)))


def after_close(missed: int, *, done: bool, resting: bool) -> int:
    """Return the days missed in a row once one more has closed, for a member enrolled on it."""
    if done:
        return 0
    return missed if resting else missed + 1


def standing(done: AbstractSet[int], day: int, rest: AbstractSet[int], first_day: int) -> Standing:
    """Return where a member stands on ``day``, from nothing but the record.

    ``day`` is the open one, or the one after the last when all are over.
    """
    required = [closed for closed in range(first_day, day) if closed not in rest]
    return Standing(
        days_done=len(done),
        last_day=max(done, default=0),
        streak=streak_at(done, day, rest),
        best_streak=best_streak(done, rest),
        required=len(required),
        required_done=sum(closed in done for closed in required),
        missed_in_a_row=missed_in_a_row(done, day - 1, rest, first_day),
    )


def cards_spent(made_up: AbstractSet[int], rest: AbstractSet[int]) -> int:
    """Return how many cards the days ``made_up`` have cost, as the days lie now.

    A day that an amnesty frees afterwards costs none: its card can be spent again. What was handed in for
    it stays, and counts as any check-in on a day of rest does.
    """
    return len(made_up - rest)


def make_up_refusal(
    plan: MakeUpPlan,
    wanted: int,
    *,
    today: int,
    done: AbstractSet[int],
    rest: AbstractSet[int],
    first_day: int,
    cards_used: int,
) -> MakeUpRefusal | None:
    """Return why ``wanted`` cannot be made up on ``today``, or None.

    Only a required day that is over, was missed since the enrolment (``first_day``) and is at most
    ``window_days`` back; each takes a card. Campaign days count, so a pause does not use the window up.
    """
    if wanted >= today:
        return MakeUpRefusal.NOT_OVER
    if wanted < first_day:
        return MakeUpRefusal.BEFORE_ENROLMENT
    if wanted in done:
        return MakeUpRefusal.ALREADY_DONE
    if wanted in rest:
        return MakeUpRefusal.NOT_REQUIRED
    if wanted < today - plan.window_days:
        return MakeUpRefusal.TOO_LATE
    return MakeUpRefusal.NO_CARDS if cards_used >= plan.cards else None


def make_up_days(
    plan: MakeUpPlan,
    *,
    today: int,
    done: AbstractSet[int],
    rest: AbstractSet[int],
    first_day: int,
    cards_used: int,
) -> tuple[int, ...]:
    """Return the days that can be made up on ``today``, in order; each is judged by itself."""
    reach = range(max(1, today - plan.window_days), today)
    return tuple(
        day
        for day in reach
        if make_up_refusal(
            plan, day, today=today, done=done, rest=rest, first_day=first_day, cards_used=cards_used
        )
        is None
    )
