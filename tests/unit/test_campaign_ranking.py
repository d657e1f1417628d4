"""Leaderboards: places, ties, the own place."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns.plan import Board
from domain.campaigns.ranking import Score, place_of, ranked

values = st.integers(0, 4)
scores = st.lists(
    st.builds(
        Score,
        person_id=st.text("abcdef", min_size=1, max_size=3),
        days=values,
        streak=values,
        invitations=values,
    ),
    unique_by=lambda score: score.person_id,
    max_size=12,
)
boards = st.sampled_from(Board)


def test_equal_values_share_a_place_and_use_up_the_next():
    four = [
        Score(person_id="d", days=9, streak=1),
        Score(person_id="c", days=9, streak=4),
        Score(person_id="b", days=7, streak=7),
        Score(person_id="a", days=9, streak=4),
        Score(person_id="nothing"),
    ]
    lines = ranked(four, Board.DAYS)
    assert [(line.person_id, line.place, line.tied, line.value) for line in lines] == [
        ("a", 1, 3, 9),
        ("c", 1, 3, 9),  # equal in both: the id orders
        ("d", 1, 3, 9),  # a shorter streak: shown later, in the same place
        ("b", 4, 1, 7),
    ]
    assert [line.person_id for line in ranked(four, Board.STREAK)] == ["b", "a", "c", "d"]
    assert ranked(four, Board.INVITATIONS) == ()


def test_who_is_left_out_takes_no_place():
    three = [Score(person_id=name, days=days) for name, days in (("leader", 30), ("b", 20), ("c", 10))]
    assert [(line.person_id, line.place) for line in ranked(three, Board.DAYS, {"leader"})] == [
        ("b", 1),
        ("c", 2),
    ]


@settings(deadline=None)
@given(scores, boards)
def test_a_place_is_one_more_than_the_number_of_better_ones(everybody, board):
    lines = ranked(everybody, board)
    assert {line.person_id for line in lines} == {s.person_id for s in everybody if s.on(board)}
    for line in lines:
        assert line.place == 1 + sum(other.value > line.value for other in lines)
        assert line.tied == sum(other.value == line.value for other in lines)
        assert line.place == place_of((score.on(board) for score in everybody), line.value)


@settings(deadline=None)
@given(scores, boards, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_rows_came(everybody, board, random: Random):
    shuffled = list(everybody)
    random.shuffle(shuffled)
    lines = ranked(everybody, board)
    assert lines == ranked(shuffled, board)
    assert [line.place for line in lines] == sorted(line.place for line in lines)


@pytest.mark.parametrize(("own", "place"), [(0, None), (1, 4), (2, 2), (9, 1), (10, 1)])
def test_the_own_place(own: int, place: int | None):
    assert place_of([9, 2, 2, 1, 0], own) == place
