"""Streaks, missed days, make-up cards and amnesty: step by step, and against a naive recomputation."""

from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.campaigns.plan import MakeUpPlan
from domain.campaigns.streaks import (
    MakeUpRefusal,
    after_check_in,
    after_close,
    alive,
    best_streak,
    cards_spent,
    make_up_days,
    make_up_refusal,
    missed_days,
    missed_in_a_row,
    standing,
    streak_at,
)

LENGTH = 40
days = st.integers(1, LENGTH)
some_days = st.frozensets(days, max_size=LENGTH)
# Most days done: otherwise hardly any streak is long.
many_days = st.frozensets(days, max_size=8).map(lambda gaps: frozenset(range(1, LENGTH + 1)) - gaps)
records = some_days | many_days
none: frozenset[int] = frozenset()


def marks(done: AbstractSet[int], rest: AbstractSet[int], through: int) -> str:
    """The days as letters without those that neither break nor count: + done, - missed."""
    shown = (day for day in range(1, through + 1) if day in done or day not in rest)
    return "".join("+" if day in done else "-" for day in shown)


def naive_streak(done: AbstractSet[int], rest: AbstractSet[int], day: int) -> int:
    told = marks(done, rest, day if day in done else day - 1)
    return len(told) - len(told.rstrip("+"))


def naive_best(done: AbstractSet[int], rest: AbstractSet[int]) -> int:
    return max(len(run) for run in marks(done, rest, LENGTH + 1).split("-"))


@pytest.mark.parametrize(
    ("done", "rest", "day", "streak", "best", "missed"),
    [
        (set(), set(), 1, 0, 0, 0),
        ({1, 2, 3}, set(), 3, 3, 3, 0),
        ({1, 2, 3}, set(), 4, 3, 3, 0),  # today is still open
        ({1, 2, 3}, set(), 5, 0, 3, 1),
        ({1, 2, 3}, {4}, 5, 3, 3, 0),  # a rest day neither breaks nor counts…
        ({1, 2, 3, 4}, {4}, 5, 4, 4, 0),  # …unless it was used
        ({1, 2, 5, 6}, {3}, 6, 2, 2, 0),
        ({1, 2, 5, 6}, {3, 4}, 6, 4, 4, 0),  # the same after an amnesty for day 4
        ({1, 2}, {4, 5}, 8, 0, 2, 3),  # 3, 6 and 7: rest days in between do not count as missed
        ({5}, set(), 5, 1, 1, 4),  # back today after four missed days
    ],
)
def test_streaks_by_example(done, rest, day, streak, best, missed):
    assert streak_at(done, day, rest) == streak
    assert best_streak(done, rest) == best
    assert missed_in_a_row(done, day - 1, rest, 1) == missed


@settings(deadline=None)
@given(records, some_days, days)
def test_streak_and_best_streak_equal_the_naive_recomputation(done, rest, day):
    assert streak_at(done, day, rest) == naive_streak(done, rest, day)
    assert best_streak(done, rest) == naive_best(done, rest)


@settings(deadline=None)
@given(records, some_days)
def test_a_streak_kept_at_each_check_in_equals_the_one_recomputed(done, rest):
    streak = best = last_day = 0
    for day in range(1, LENGTH + 1):
        assert alive(streak, last_day, day, rest) == naive_streak(done - {day}, rest, day)
        if day in done:
            streak, last_day = after_check_in(streak, last_day, day, rest), day
            best = max(best, streak)
            assert streak == naive_streak(done, rest, day)
    assert best == naive_best(done, rest)


@settings(deadline=None)
@given(records, some_days, days)
def test_missed_days_kept_at_each_close_equal_those_recomputed(done, rest, first_day):
    done = frozenset(day for day in done if day >= first_day)
    missed = total = 0
    for day in range(first_day, LENGTH + 1):
        missed = after_close(missed, done=day in done, resting=day in rest)
        total += day not in done and day not in rest
        since = marks(done, rest, day)[len(marks(none, rest, first_day - 1)) :]
        assert missed == missed_in_a_row(done, day, rest, first_day) == len(since) - len(since.rstrip("-"))
        assert total == len(missed_days(done, day, rest, first_day))


@pytest.mark.parametrize("day", [1, 4, 5])
def test_a_check_in_comes_after_the_last_one(day: int):
    with pytest.raises(ValueError, match="after"):
        after_check_in(3, 5, day, none)


@settings(deadline=None)
@given(records, some_days, some_days, days)
def test_an_amnesty_never_harms(done, rest, outage, day):
    """Nor does it make anybody lose a streak that was built through the outage."""
    assert streak_at(done, day, rest | outage) >= streak_at(done, day, rest)
    assert best_streak(done, rest | outage) >= best_streak(done, rest)
    assert missed_in_a_row(done, day, rest | outage, 1) <= missed_in_a_row(done, day, rest, 1)


@settings(deadline=None)
@given(records, some_days, some_days)
def test_a_card_spent_on_a_day_that_an_amnesty_frees_later_is_had_back(made_up, rest, outage):
    made_up -= rest
    assert cards_spent(made_up, rest) == len(made_up)
    assert cards_spent(made_up, rest | outage) == len(made_up) - len(made_up & outage)


def refusal(wanted: int, **changed) -> MakeUpRefusal | None:
    values: dict[str, Any] = {"today": 10, "done": {1, 2, 3, 8}, "rest": {7}, "first_day": 2, "cards_used": 0}
    values |= changed
    return make_up_refusal(MakeUpPlan(cards=2, window_days=4), wanted, **values)


@pytest.mark.parametrize(
    ("wanted", "changed", "expected"),
    [
        (9, {}, None),
        (6, {}, None),  # exactly the window
        (5, {}, MakeUpRefusal.TOO_LATE),
        (10, {}, MakeUpRefusal.NOT_OVER),
        (11, {}, MakeUpRefusal.NOT_OVER),
        (8, {}, MakeUpRefusal.ALREADY_DONE),
        (7, {}, MakeUpRefusal.NOT_REQUIRED),
        (9, {"rest": {9}}, MakeUpRefusal.NOT_REQUIRED),  # an amnesty has repaired it: no card is needed
        (1, {}, MakeUpRefusal.BEFORE_ENROLMENT),
        (0, {}, MakeUpRefusal.BEFORE_ENROLMENT),
        (-3, {}, MakeUpRefusal.BEFORE_ENROLMENT),
        (8, {"first_day": 9, "done": none}, MakeUpRefusal.BEFORE_ENROLMENT),
        (9, {"cards_used": 1}, None),
        (9, {"cards_used": 2}, MakeUpRefusal.NO_CARDS),
    ],
)
def test_what_can_be_made_up(wanted: int, changed: dict, expected: MakeUpRefusal | None):
    assert refusal(wanted, **changed) is expected


@settings(deadline=None)
@given(records, some_days, days, st.integers(1, 9), st.integers(0, 3), st.integers(0, 5), st.integers(1, 9))
def test_several_missed_days_are_judged_one_by_one(done, rest, today, first_day, used, cards, window):
    plan = MakeUpPlan(cards=cards, window_days=window)
    done = frozenset(day for day in done if first_day <= day <= today)
    offered = make_up_days(plan, today=today, done=done, rest=rest, first_day=first_day, cards_used=used)
    missed = missed_days(done, today - 1, rest, first_day)
    expected = [day for day in missed if today - day <= window] if used < cards else []
    assert list(offered) == expected


@settings(deadline=None)
@given(records, some_days, days, st.lists(days, max_size=6, unique=True))
def test_making_up_is_as_if_one_had_been_there_whatever_the_order(done, rest, first_day, wanted):
    today = LENGTH + 1
    plan, used = MakeUpPlan(cards=3, window_days=20), 0
    done = start = frozenset(day for day in done if day >= first_day)
    for day in wanted:
        refused = make_up_refusal(
            plan, day, today=today, done=done, rest=rest, first_day=first_day, cards_used=used
        )
        if refused is not None:
            continue
        before, after = standing(done, today, rest, first_day), standing(done | {day}, today, rest, first_day)
        assert after.required_done == before.required_done + 1
        assert after.required == before.required
        assert after.best_streak >= before.best_streak
        assert after.streak >= before.streak
        done, used = done | {day}, used + 1
    assert used <= plan.cards
    assert len(done) == len(start) + used
    assert used == cards_spent(done - start, rest)
    assert standing(done, today, rest, first_day).streak == naive_streak(done, rest, today)


@settings(deadline=None)
@given(records, some_days, days, days)
def test_a_standing_counts_closed_required_days_since_the_enrolment(done, rest, day, first_day):
    assume(first_day <= day)
    done = frozenset(one for one in done if first_day <= one <= day)
    found = standing(done, day, rest, first_day)
    assert found.required - found.required_done == len(missed_days(done, day - 1, rest, first_day))
    assert found.days_done == len(done)
    assert found.last_day == max(done, default=0)
    assert 0 <= found.streak <= found.best_streak <= found.days_done
