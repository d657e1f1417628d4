"""Visits of a shared note: by day, for bars as those of check-ins, and by the host that they came from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from api.schemas.shares import VisitsOut

MOST_DAYS: Final = 60
"""More bars than these could not be told apart."""


@dataclass(slots=True)
class VisitsDay:
    """A day as a bar: its place from 0, and the visits in the place of check-ins."""

    day: int
    on: date
    checked_in: int
    active: int = 0


def by_day(found: Iterable[VisitsOut]) -> list[VisitsDay]:
    """Return each day from the first to the last with visits, days without any among them."""
    counted: Counter[date] = Counter()
    for one in found:
        counted[date.fromisoformat(one.day)] += one.visits
    if not counted:
        return []
    first = min(counted)
    dates = (first + timedelta(days=number) for number in range((max(counted) - first).days + 1))
    return [VisitsDay(number, on, counted[on]) for number, on in enumerate(dates)]


def by_host(found: Iterable[VisitsOut]) -> list[tuple[str, int]]:
    """Return the visits from each host, most first; the empty one is unknown."""
    counted: Counter[str] = Counter()
    for one in found:
        counted[one.host] += one.visits
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
