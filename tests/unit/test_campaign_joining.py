"""Whether one can join: what is told before anybody is asked for an address."""

from hypothesis import given
from hypothesis import strategies as some

from domain.campaigns.terms import Joining, Status, gives_places, joining, keeps_joining

STATUSES = some.sampled_from(Status)
DAYS = some.integers(0, 40)


@given(STATUSES, DAYS, DAYS, some.booleans(), some.booleans())
def test_who_can_join_is_offered_just_that(
    status: Status, day: int, last: int, free: bool, line: bool
) -> None:
    told = joining(status, day, last, places_left=free, waiting_list=line)
    takes_in = gives_places(status, day, last) and status is not Status.PAUSED
    assert (told is Joining.OPEN) == (takes_in and free)
    assert (told is Joining.LINE) == (takes_in and not free and line)
    assert (told is Joining.FULL) == (takes_in and not free and not line)
    assert (told in (Joining.LATE, Joining.OVER)) == (not keeps_joining(status, day, last))


def test_a_pause_and_a_start_to_come_are_no_end() -> None:
    assert joining(Status.SCHEDULED, 0, 5, places_left=True, waiting_list=False) is Joining.SCHEDULED
    assert joining(Status.PAUSED, 3, 5, places_left=True, waiting_list=False) is Joining.PAUSED
    assert joining(Status.PAUSED, 6, 5, places_left=True, waiting_list=False) is Joining.LATE
    assert joining(Status.RUNNING, 6, 5, places_left=True, waiting_list=True) is Joining.LATE
    assert joining(Status.SETTLED, 0, 5, places_left=True, waiting_list=True) is Joining.OVER
