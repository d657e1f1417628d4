"""Where an instant of a moved clock lies on the wall clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.clock import Moved, wall_instant

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_a_clock_that_was_never_moved_is_the_wall_clock() -> None:
    assert wall_instant(NOW, []) == NOW


def test_instants_before_the_first_move_stay_what_they_were() -> None:
    assert wall_instant(NOW - DAY, [Moved(NOW, 3 * DAY)]) == NOW - DAY


def test_what_was_skipped_over_came_with_the_move() -> None:
    assert wall_instant(NOW + DAY, [Moved(NOW, 3 * DAY)]) == NOW


def test_between_moves_and_after_them_the_clocks_go_together() -> None:
    moves = [Moved(NOW, DAY), Moved(NOW + 10 * MINUTE, 2 * DAY)]
    assert wall_instant(NOW + DAY + 4 * MINUTE, moves) == NOW + 4 * MINUTE
    assert wall_instant(NOW + DAY + 40 * MINUTE, moves) == NOW + 10 * MINUTE
    assert wall_instant(NOW + 2 * DAY + 40 * MINUTE, moves) == NOW + 40 * MINUTE


_STEPS = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 5000)), max_size=5)


@given(_STEPS, st.integers(-3000, 30_000))
def test_it_is_the_first_minute_at_which_the_clock_is_there(steps: list[tuple[int, int]], at: int) -> None:
    """Against a clock that is read minute by minute."""
    moves, since, ahead = [], 0, 0
    for later, more in steps:
        since, ahead = since + later, ahead + more
        moves.append(Moved(NOW + since * MINUTE, ahead * MINUTE))

    def shown(minute: int) -> datetime:
        wall = NOW + minute * MINUTE
        return wall + max((move.ahead for move in moves if move.since <= wall), default=timedelta())

    wanted = NOW + at * MINUTE
    first = next(minute for minute in range(-3000, 30_001) if shown(minute) >= wanted)
    assert wall_instant(wanted, moves) == NOW + first * MINUTE
