"""Whether one can join: what is told before anybody is asked for an address."""

from hypothesis import given
from hypothesis import strategies as some

from domain.campaigns.terms import Joining, Status, gives_places, joining, keeps_joining
from tests.support.campaigns import plan_of

STATUSES = some.sampled_from(Status)
DAYS = some.integers(0, 40)


def met(status: Status, day: int, last: int, *, free: bool, line: bool) -> Joining:
    """What somebody meets where one joins until day ``last``, with one place that is free or taken."""
    plan = plan_of(length_days=40, late_enrolment_until_day=last, capacity=1, waiting_list=line)
    return joining(status, day, 0 if free else 1, plan)


@given(STATUSES, DAYS, DAYS, some.booleans(), some.booleans())
def test_who_can_join_is_offered_just_that(
    status: Status, day: int, last: int, free: bool, line: bool
) -> None:
    told = met(status, day, last, free=free, line=line)
    takes_in = gives_places(status, day, last) and status is not Status.PAUSED
    assert (told is Joining.OPEN) == (takes_in and free)
    assert (told is Joining.LINE) == (takes_in and not free and line)
    assert (told is Joining.FULL) == (takes_in and not free and not line)
    assert (told in (Joining.LATE, Joining.OVER)) == (not keeps_joining(status, day, last))


def test_a_pause_and_a_start_to_come_are_no_end() -> None:
    assert met(Status.SCHEDULED, 0, 5, free=True, line=False) is Joining.SCHEDULED
    assert met(Status.PAUSED, 3, 5, free=True, line=False) is Joining.PAUSED
    assert met(Status.PAUSED, 6, 5, free=True, line=False) is Joining.LATE
    assert met(Status.RUNNING, 6, 5, free=True, line=True) is Joining.LATE
    assert met(Status.SETTLED, 0, 5, free=True, line=True) is Joining.OVER
