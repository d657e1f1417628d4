"""What a provisional leader is measured by, at the exact bounds of each target."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policy import ProbationPolicy
from domain.probation import (
    WEEK,
    Figures,
    Target,
    answers,
    conduct,
    evaluate,
    full_weeks,
    midterm,
    rating,
    steady_output,
    week_bounds,
)
from domain.vetting import ProbationDecision

POLICY = ProbationPolicy()
START = datetime(2026, 3, 1, 8, 30, 15, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Figures(posts=16, questions=10, answered_in_time=7, ratings=10, rating_sum=40)
STEADY = (2,) * 8

starts = st.timedeltas(timedelta(), timedelta(days=5_000)).map(lambda later: START + later)


@pytest.mark.parametrize(
    ("posts", "met"),
    [
        ((2, 2, 2, 2, 0), True),  # exactly 80 %
        ((2, 2, 2, 1, 1), False),
        ((2, 2, 2, 2, 2, 2, 2, 1), True),  # 7 of 8
        ((2, 2, 2, 2, 2, 2, 1, 1), False),  # 6 of 8 are 75 %
        ((99, 0, 0, 0, 0), False),  # one busy week does not make up for the others
        ((1, 1, 1, 1, 1), False),
        ((), True),  # not a week has passed
    ],
)
def test_steady_output_counts_weeks(posts: tuple[int, ...], met: bool):
    assert steady_output(posts, POLICY).met is met


@pytest.mark.parametrize(
    ("questions", "in_time", "met"),
    [
        (10, 7, True),
        (10, 6, False),
        (1000, 699, False),
        (3, 2, False),
        (1, 1, True),
        (1, 0, False),
        (0, 0, True),
    ],
)
def test_answers_need_seventy_percent(questions: int, in_time: int, met: bool):
    assert answers(Figures(questions=questions, answered_in_time=in_time), POLICY).met is met


@pytest.mark.parametrize(
    ("ratings", "total", "met"),
    [(10, 40, True), (10, 39, False), (9, 45, False), (0, 0, False), (1000, 3999, False), (11, 44, True)],
)
def test_ratings_need_a_mean_of_four_from_ten_people(ratings: int, total: int, met: bool):
    assert rating(Figures(ratings=ratings, rating_sum=total), POLICY).met is met


def test_nothing_to_measure_is_told_apart_from_zero():
    assert answers(Figures(), POLICY).value is None
    assert answers(Figures(questions=1), POLICY).value == 0
    assert rating(Figures(), POLICY).value is None
    no_ratings_needed = ProbationPolicy(ratings_needed=0)
    assert rating(Figures(), no_ratings_needed).met
    assert not rating(Figures(ratings=1, rating_sum=3), no_ratings_needed).met


def test_conduct_needs_no_confirmed_violation():
    assert conduct(Figures()).met
    assert not conduct(Figures(violations=1)).met


@pytest.mark.parametrize("extended", [False, True])
def test_all_targets_met_recommends_to_pass(extended: bool):
    result = evaluate(STEADY, GOOD, POLICY, extended=extended)
    assert result.recommendation is ProbationDecision.PASS
    assert result.missed == ()


@pytest.mark.parametrize(
    ("weekly", "change", "missed"),
    [
        ((0,) * 8, {}, Target.STEADY_OUTPUT),
        (STEADY, {"answered_in_time": 6}, Target.ANSWERS),
        (STEADY, {"rating_sum": 39}, Target.RATING),
    ],
)
def test_a_missed_target_extends_once_and_fails_the_second_time(weekly, change, missed):
    total = GOOD.model_copy(update=change)
    first = evaluate(weekly, total, POLICY, extended=False)
    assert (first.recommendation, first.missed) == (ProbationDecision.EXTEND, (missed,))
    assert evaluate(weekly, total, POLICY, extended=True).recommendation is ProbationDecision.FAIL


figures = st.builds(
    Figures,
    posts=st.integers(0, 50),
    questions=st.integers(0, 50),
    ratings=st.integers(0, 50),
    violations=st.integers(0, 2),
).flatmap(
    lambda f: st.builds(
        lambda in_time, stars: f.model_copy(update={"answered_in_time": in_time, "rating_sum": stars}),
        st.integers(0, f.questions),
        st.integers(f.ratings, 5 * f.ratings),
    )
)
weeks = st.lists(st.integers(0, 5), max_size=10)


@given(weeks, figures, st.booleans())
def test_the_recommendation_follows_from_what_was_missed(weekly, total, extended):
    result = evaluate(weekly, total, POLICY, extended=extended)
    assert [item.target for item in result.targets] == list(Target)
    if not result.missed:
        expected = ProbationDecision.PASS
    elif extended or total.violations:
        expected = ProbationDecision.FAIL
    else:
        expected = ProbationDecision.EXTEND
    assert result.recommendation is expected
    if total.violations:
        assert Target.CONDUCT in result.missed


@given(weeks, figures)
def test_doing_more_never_harms(weekly, total):
    before = set(evaluate(weekly, total, POLICY, extended=False).missed)
    better = total.model_copy(
        update={
            "questions": total.questions + 1,
            "answered_in_time": total.answered_in_time + 1,
            "ratings": total.ratings + 1,
            "rating_sum": total.rating_sum + 5,
        }
    )
    after = set(evaluate([posts + 1 for posts in weekly], better, POLICY, extended=False).missed)
    assert after <= before


@given(starts, st.integers(7, 365))
def test_weeks_follow_each_other_and_fit_into_the_span(start: datetime, days: int):
    end = start + days * DAY
    count = full_weeks(start, end)
    assert count == days // 7
    bounds = [week_bounds(start, week) for week in range(1, count + 1)]
    assert bounds[0][0] == start
    assert all(last - first == WEEK for first, last in bounds)
    assert all(left[1] == right[0] for left, right in pairwise(bounds))
    assert bounds[-1][1] <= end < bounds[-1][1] + WEEK


def test_sixty_days_are_eight_weeks_and_thirty_are_four():
    assert full_weeks(START, START + 60 * DAY) == 8
    assert full_weeks(START, START + 30 * DAY) == 4
    assert full_weeks(START, START + 7 * DAY - timedelta(microseconds=1)) == 0
    assert full_weeks(START, START + 7 * DAY) == 1


@given(starts, st.integers(7, 365))
def test_the_midterm_is_the_middle_to_the_second(start: datetime, days: int):
    end = start + days * DAY
    middle = midterm(start, end)
    assert middle.microsecond == 0
    assert start < middle < end
    assert timedelta(0) <= (start + (end - start) / 2) - middle < timedelta(seconds=1)
