"""The days of a campaign as instants: cut-off, clock changes, pauses, in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns.calendar import (
    Shift,
    date_of,
    day_at,
    day_closes,
    day_opens,
    days_lost,
    first_instant,
    local_day,
    missing_dates,
    reminder_at,
    rest_days,
    weekday_of,
)
from domain.campaigns.plan import CampaignPlan

ODD = (
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Pacific/Fakaofo",
    "Pacific/Enderbury",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Asia/Pyongyang",
    "Africa/Casablanca",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
)
zones = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})) | st.sampled_from(ODD)
dates = st.dates(date(1965, 1, 1), date(2040, 1, 1)) | st.dates(date(1993, 8, 1), date(1995, 2, 1))
shifts = st.lists(st.builds(Shift, from_day=st.integers(1, 40), days=st.integers(1, 20)), max_size=3).map(
    tuple
)


@cache
def _turns() -> list[tuple[str, date]]:
    """Zones and dates around which their clocks changed: random dates alone would hardly find them.

    Looked for when a test wants them: it takes over a second, in every process that collects this file.
    """
    found = []
    for name in ODD:
        zone, on = ZoneInfo(name), datetime(1992, 1, 1, 12, tzinfo=ZoneInfo(name))
        while on.year < 2031:
            on += timedelta(days=1)
            noon, before = on.replace(tzinfo=zone), on - timedelta(days=1)
            if noon.utcoffset() != before.utcoffset() or noon.replace(fold=1).utcoffset() != noon.utcoffset():
                found.append((name, on.date()))
    return found


def _missing() -> list[tuple[str, date]]:
    return [turn for turn in _turns() if turn[1] in missing_dates(turn[0], turn[1].year)]


somewhere = st.tuples(zones, dates)
turning = st.deferred(lambda: st.sampled_from(_turns()) | st.sampled_from(_missing()))
minutes = st.integers(0, 720) | st.sampled_from([0, 30, 60, 90, 120, 135, 150, 180, 720])


def _plan_near(where: tuple[str, date], cutoff: int, days_before: int, length: int) -> CampaignPlan:
    return plan(where[0], where[1] - timedelta(days=days_before), cutoff, length)


plans = st.builds(_plan_near, somewhere | turning, minutes, st.integers(0, 6), st.integers(1, 40))


def plan(zone: str, starts_on: date, cutoff: int = 240, length: int = 30, **more: object) -> CampaignPlan:
    values = {"time_zone": zone, "starts_on": starts_on, "cutoff_minutes": cutoff, "length_days": length}
    return CampaignPlan.model_validate(values | more)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_a_day_is_a_calendar_day_until_the_next_mornings_cutoff():
    thirty = plan("Asia/Shanghai", date(2026, 3, 1))
    assert day_opens(thirty, 1) == utc(2026, 2, 28, 20)
    assert day_closes(thirty, 1) == day_opens(thirty, 2) == utc(2026, 3, 1, 20)
    half_past_one = datetime(2026, 3, 2, 1, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert day_at(thirty, half_past_one) == 1
    assert day_at(thirty, half_past_one + timedelta(hours=2.5)) == 2


def test_the_ends_of_a_campaign():
    thirty = plan("Asia/Shanghai", date(2026, 3, 1))
    tick = timedelta(microseconds=1)
    assert day_at(thirty, day_opens(thirty, 1) - tick) == 0
    assert day_at(thirty, day_opens(thirty, 1)) == 1
    assert day_at(thirty, day_closes(thirty, 30) - tick) == 30
    assert day_at(thirty, day_closes(thirty, 30)) == 31
    assert day_at(thirty, day_closes(thirty, 30) + timedelta(days=999)) == 31
    with pytest.raises(ValueError, match="offset"):
        day_at(thirty, datetime(2026, 3, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="from 1"):
        day_opens(thirty, 0)


@pytest.mark.parametrize(
    ("zone", "cutoff", "change", "opens", "hours"),
    [
        ("America/New_York", 240, date(2026, 3, 7), utc(2026, 3, 7, 9), 23),  # spring, cut-off after it
        ("America/New_York", 150, date(2026, 3, 8), utc(2026, 3, 8, 7), 23.5),  # 02:30 does not exist
        ("America/New_York", 90, date(2026, 10, 31), utc(2026, 10, 31, 5, 30), 24),  # 01:30 twice: the first
        ("America/New_York", 90, date(2026, 11, 1), utc(2026, 11, 1, 5, 30), 25),
        ("Australia/Lord_Howe", 120, date(2026, 10, 4), utc(2026, 10, 3, 15, 30), 23.5),  # half an hour
        ("Asia/Kathmandu", 240, date(2026, 1, 1), utc(2025, 12, 31, 22, 15), 24),
        ("Africa/Cairo", 0, date(2026, 4, 24), utc(2026, 4, 23, 22), 23),  # midnight itself is jumped over
        ("Europe/Berlin", 240, date(2028, 2, 29), utc(2028, 2, 29, 3), 24),  # a leap day is a day
    ],
)
def test_clock_changes(zone: str, cutoff: int, change: date, opens: datetime, hours: float):
    around = plan(zone, change, cutoff)
    assert day_opens(around, 1) == opens
    assert day_closes(around, 1) - opens == timedelta(hours=hours)


def test_a_campaign_over_a_leap_day_keeps_its_number_of_days():
    leap = plan("Europe/Berlin", date(2028, 2, 15))
    assert date_of(leap, 15) == date(2028, 2, 29)
    assert date_of(leap, 30) == date(2028, 3, 15)


@pytest.mark.parametrize("cutoff", [0, 240, 720])
def test_a_date_that_samoa_never_had_is_no_day(cutoff: int):
    samoa = plan("Pacific/Apia", date(2011, 12, 29), cutoff)
    assert [date_of(samoa, day).day for day in (1, 2, 3)] == [29, 31, 1]
    assert day_closes(samoa, 1) - day_opens(samoa, 1) == timedelta(days=1)
    assert date_of(plan("Pacific/Apia", date(2011, 12, 30), cutoff), 1) == date(2011, 12, 31)


def test_a_pause_over_a_date_that_samoa_never_had():
    samoa = plan("Pacific/Apia", date(2011, 12, 28))
    resumed = datetime(2012, 1, 1, 12, tzinfo=ZoneInfo("Pacific/Apia"))
    assert days_lost(samoa, 2, resumed) == 2  # 29 and 31 December
    assert day_at(samoa, resumed, (Shift(from_day=2, days=2),)) == 2


def test_every_date_that_any_zone_left_out_is_known():
    found = {(zone, gone) for zone in ODD for year in range(1965, 2030) for gone in missing_dates(zone, year)}
    assert found == {
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Pacific/Fakaofo", date(2011, 12, 30)),
        ("Pacific/Kiritimati", date(1994, 12, 31)),
        ("Pacific/Enderbury", date(1994, 12, 31)),
        ("Pacific/Kwajalein", date(1993, 8, 21)),
    }


@settings(deadline=None)
@given(plans, shifts)
def test_days_neither_overlap_nor_leave_gaps_but_for_pauses(campaign: CampaignPlan, moved: tuple[Shift, ...]):
    days = range(1, campaign.length_days + 1)
    spans = [(day_opens(campaign, day, moved), day_closes(campaign, day, moved)) for day in days]
    assert all(opens < closes for opens, closes in spans)
    starts_again = {shift.from_day for shift in moved}
    for day, ((_, closes), (opens, _)) in zip(days[1:], pairwise(spans), strict=True):
        assert closes < opens if day in starts_again else closes == opens


@settings(deadline=None)
@given(plans, shifts, st.integers(0, 45), st.floats(0, 1, exclude_max=True))
def test_each_instant_belongs_to_exactly_one_day(campaign, moved, number, share):
    first, end = day_opens(campaign, 1, moved), day_closes(campaign, campaign.length_days, moved)
    day = min(max(number, 1), campaign.length_days)
    opens, closes = day_opens(campaign, day, moved), day_closes(campaign, day, moved)
    instant = opens + (closes - opens - timedelta(microseconds=1)) * share
    assert day_at(campaign, instant, moved) == day
    holding = [
        other
        for other in range(1, campaign.length_days + 1)
        if day_opens(campaign, other, moved) <= instant < day_closes(campaign, other, moved)
    ]
    assert holding == [day]
    assert day_at(campaign, first - timedelta(seconds=1), moved) == 0
    assert day_at(campaign, end, moved) == campaign.length_days + 1


@settings(deadline=None)
@given(plans, shifts, st.integers(1, 40))
def test_the_wall_clock_shows_the_cutoff_when_a_day_opens_or_has_just_jumped_over_it(campaign, moved, day):
    opens = day_opens(campaign, day, moved)
    on = datetime.combine(date_of(campaign, day, moved), time.min)
    cutoff = on + timedelta(minutes=campaign.cutoff_minutes)
    shown = opens.astimezone(campaign.zone).replace(tzinfo=None)
    just_before = (opens - timedelta(seconds=1)).astimezone(campaign.zone).replace(tzinfo=None)
    assert shown >= cutoff > just_before or shown == cutoff


@settings(deadline=None)
@given(somewhere | turning, st.integers(0, 86_400) | st.integers(0, 24).map(lambda h: h * 3600), st.data())
def test_a_wall_time_is_reached_at_the_first_instant_that_shows_it_or_more(where, second: int, data):
    zone = ZoneInfo(where[0])
    wall = datetime.combine(where[1], time.min) + timedelta(seconds=second)
    instant = first_instant(zone, wall)
    assert instant.astimezone(zone).replace(tzinfo=None) >= wall
    earlier = instant - timedelta(seconds=data.draw(st.integers(1, 7200)))
    assert earlier.astimezone(zone).replace(tzinfo=None) < wall
    later = wall + timedelta(seconds=data.draw(st.integers(0, 3 * 86_400)))
    assert instant <= first_instant(zone, later)


@settings(deadline=None)
@given(plans, st.integers(1, 40))
def test_dates_follow_each_other_without_those_that_never_were(campaign: CampaignPlan, day: int):
    first, on = date_of(campaign, 1), date_of(campaign, day)
    gone = [d for zone, d in _missing() if zone == campaign.time_zone and campaign.starts_on <= d <= on]
    assert on == campaign.starts_on + timedelta(days=day - 1 + len(gone))
    assert first not in gone
    assert on not in gone
    noon = datetime.combine(on, time(12), campaign.zone)
    assert noon.astimezone(UTC).astimezone(campaign.zone).date() == on  # it is on the wall's calendar


@settings(deadline=None)
@given(plans, st.integers(1, 40), st.integers(1, 20))
def test_a_pause_changes_nothing_before_it_and_moves_the_rest_together(campaign, from_day, days):
    moved = (Shift(from_day=from_day, days=days),)
    for day in range(1, campaign.length_days + 1):
        expected = day_opens(campaign, day + days if day >= from_day else day)
        assert day_opens(campaign, day, moved) == expected


@settings(deadline=None)
@given(plans, shifts, st.integers(1, 40), st.integers(0, 60 * 24 * 60))
def test_a_resumed_day_is_the_one_that_holds_the_moment(campaign, moved, day, minutes):
    now = day_opens(campaign, day, moved) + timedelta(minutes=minutes)
    lost = days_lost(campaign, day, now, moved)
    again = (*moved, Shift(from_day=day, days=lost)) if lost else moved
    assert day_opens(campaign, day, again) <= now < day_closes(campaign, day, again)
    assert date_of(campaign, day, again) == local_day(campaign, now)


@settings(deadline=None)
@given(plans, shifts, st.integers(1, 40), st.integers(0, 23))
def test_a_reminder_comes_within_its_day_at_its_hour(campaign, moved, day, hour):
    opens, closes = day_opens(campaign, day, moved), day_closes(campaign, day, moved)
    at = reminder_at(campaign, day, hour, moved)
    assert opens <= at <= closes
    shown = at.astimezone(campaign.zone)
    moments = (opens - timedelta(seconds=1), opens, at, closes)
    if len({moment.astimezone(campaign.zone).utcoffset() for moment in moments}) == 1:  # no clock change
        assert (shown.hour, shown.minute) == (hour, 0)
        assert at < closes


def test_rest_days_follow_the_weekday_even_after_a_pause():
    sundays = plan("Asia/Shanghai", date(2026, 3, 2), rest_weekdays=(6,))  # a Monday
    assert rest_days(sundays, 30) == {7, 14, 21, 28}
    moved = (Shift(from_day=10, days=2),)
    assert rest_days(sundays, 30, moved) == {7, 12, 19, 26}
    assert weekday_of(sundays, 12, moved) == 6
    assert rest_days(plan("Asia/Shanghai", date(2026, 3, 2)), 30) == frozenset()
