"""The clock of a process that was moved ahead in development, beside the clock on the wall.

People's accounts are stamped by the clock on the wall, which all processes share; the days of a campaign are
instants of its own clock. In production the two are the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Moved(NamedTuple):
    """From ``since`` (wall clock, UTC) on a process is known to have been ``ahead`` of it."""

    since: datetime
    ahead: timedelta


def wall_instant(at: datetime, moves: Sequence[Moved]) -> datetime:
    """Return the first instant of the wall clock (UTC) at which a process's own clock had reached ``at``.

    ``moves``: in the order of ``since``; a clock is never moved back. An instant that was skipped over was
    reached with the move that skipped it. Without moves it is ``at`` itself.
    """
    found = at
    for since, ahead in moves:
        if found < since:
            return found
        found = max(since, at - ahead)
    return found
