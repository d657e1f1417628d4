"""The days of a campaign as instants: which local calendar day is day n, when it opens and when it closes.

Day n (from 1) is a calendar day of the campaign's zone. It opens at the cut-off of its own date and closes
at the cut-off of the next, so that a note at 01:30 counts for the evening before. Pauses move the days
that were still to come. All instants are UTC.

A local time may not exist or exist twice. A cut-off is therefore the first instant at which the clock on
the wall has reached it: one that the clock jumps over falls on the jump, one that comes twice is its first.
That instant never runs backwards from one cut-off to the next, so days neither overlap nor leave a gap. A
date that a zone left out (Samoa had no 30 December 2011) is no day of a campaign.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from domain.campaigns.plan import CampaignPlan

_DAY = timedelta(days=1)
_NOON = time(12)


class Shift(BaseModel):
    """A pause that is over: day ``from_day`` and all later ones come ``days`` calendar days later."""

    model_config = ConfigDict(frozen=True)

    from_day: int = Field(ge=1)
    days: int = Field(ge=1)


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """Return when (UTC) clocks in ``zone`` first show ``wall`` (naive, whole seconds) or later."""
    before, after = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    instant = before.astimezone(UTC)
    if _wall(zone, instant) == wall:
        return instant
    # Jumped over: the jump is after the reading with the later offset, not after the one with the earlier.
    low, high = after.astimezone(UTC), instant
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (low, middle) if _wall(zone, middle) >= wall else (middle, high)
    return high


def _wall(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=1024)
def missing_dates(time_zone: str, year: int) -> tuple[date, ...]:
    """Return the dates of ``year`` that the zone never had, in order."""
    zone, first = ZoneInfo(time_zone), date(year, 1, 1)
    every = (first + number * _DAY for number in range((date(year, 12, 31) - first).days + 1))
    return tuple(day for day in every if _jumped_over(zone, day))


def _jumped_over(zone: ZoneInfo, day: date) -> bool:
    noon = datetime.combine(day, _NOON, zone)
    if noon.utcoffset() == noon.replace(fold=1).utcoffset():
        return False  # noon exists, once: the cheap answer for all but a handful of dates
    midnights = (first_instant(zone, datetime.combine(date_, time.min)) for date_ in (day, day + _DAY))
    return next(midnights) == next(midnights)


def _after(plan: CampaignPlan, start: date, days: int) -> date:
    """Return the date ``days`` existing dates after the first that exists on or after ``start``."""
    reached, year = start + days * _DAY, start.year
    while year <= reached.year:
        for gone in missing_dates(plan.time_zone, year):
            reached += _DAY * (start <= gone <= reached)
        year += 1
    return reached


def _cutoff(plan: CampaignPlan, day: date) -> datetime:
    wall = datetime.combine(day, time.min) + timedelta(minutes=plan.cutoff_minutes)
    return first_instant(plan.zone, wall)


def date_of(plan: CampaignPlan, day: int, shifts: Sequence[Shift] = ()) -> date:
    """Return the calendar date of day ``day`` (from 1); raises ``ValueError`` below 1."""
    if day < 1:
        raise ValueError("days count from 1")
    return _after(plan, plan.starts_on, day - 1 + sum(s.days for s in shifts if s.from_day <= day))


def day_opens(plan: CampaignPlan, day: int, shifts: Sequence[Shift] = ()) -> datetime:
    """Return when (UTC) day ``day`` opens; raises ``ValueError`` below 1."""
    return _cutoff(plan, date_of(plan, day, shifts))


def day_closes(plan: CampaignPlan, day: int, shifts: Sequence[Shift] = ()) -> datetime:
    """Return when (UTC) day ``day`` closes: the next calendar day's cut-off, which is not part of it."""
    return _cutoff(plan, _after(plan, date_of(plan, day, shifts), 1))


def day_at(plan: CampaignPlan, instant: datetime, shifts: Sequence[Shift] = ()) -> int:
    """Return the day that holds ``instant``: 0 before the first, ``length_days`` + 1 after the last.

    Between two days that a pause has moved apart it is the earlier one, although that is closed.
    Raises ``ValueError`` for an instant without an offset.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset")
    opened = bisect_right(
        range(1, plan.length_days + 1), instant, key=lambda day: day_opens(plan, day, shifts)
    )
    over = opened == plan.length_days and instant >= day_closes(plan, opened, shifts)
    return opened + over


def local_day(plan: CampaignPlan, instant: datetime) -> date:
    """Return the date of the campaign day that holds ``instant``, cut-off included, wherever it lies."""
    reached = instant.astimezone(plan.zone).date() + _DAY
    while _cutoff(plan, reached) > instant or reached in missing_dates(plan.time_zone, reached.year):
        reached -= _DAY
    return reached


def days_lost(plan: CampaignPlan, day: int, instant: datetime, shifts: Sequence[Shift] = ()) -> int:
    """Return by how many days ``day`` has to move to be the one that holds ``instant``; at least 0."""
    planned, today = date_of(plan, day, shifts), local_day(plan, instant)
    years = range(planned.year, today.year + 1)
    gone = sum(planned <= lost <= today for year in years for lost in missing_dates(plan.time_zone, year))
    return max(0, (today - planned).days - gone)


def reminder_at(plan: CampaignPlan, day: int, hour: int, shifts: Sequence[Shift] = ()) -> datetime:
    """Return when (UTC) the wall clock first reaches ``hour`` (0 to 23) within day ``day``.

    An hour before the cut-off belongs to the next date's morning. A clock change at the cut-off can leave
    the hour out of the day: then it is the day's opening, or its end.
    """
    opens, closes = day_opens(plan, day, shifts), day_closes(plan, day, shifts)
    on = date_of(plan, day, shifts)
    if hour * 60 < plan.cutoff_minutes:
        on = _after(plan, on, 1)
    return min(max(first_instant(plan.zone, datetime.combine(on, time(hour))), opens), closes)


def weekday_of(plan: CampaignPlan, day: int, shifts: Sequence[Shift] = ()) -> int:
    """Return the weekday of day ``day``: 0 is Monday."""
    return date_of(plan, day, shifts).weekday()


def rest_days(plan: CampaignPlan, through: int, shifts: Sequence[Shift] = ()) -> frozenset[int]:
    """Return which of the days 1 to ``through`` ask nothing of anybody, by the plan's weekdays."""
    if not plan.rest_weekdays:
        return frozenset()
    return frozenset(
        day for day in range(1, through + 1) if weekday_of(plan, day, shifts) in plan.rest_weekdays
    )
