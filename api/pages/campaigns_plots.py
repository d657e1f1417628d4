"""Check-ins by day as bars: who took part, and who of them checked in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

WIDTH: Final = 560
HEIGHT: Final = 120
_MOST_LABELS: Final = 8
_FEWEST_SLOTS: Final = 7


class Day(Protocol):
    """What a bar needs of a day: its number, who took part, who checked in."""

    day: int
    active: int
    checked_in: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bars in pixels of the drawing: ``rail`` for who took part, ``fill`` for who checked in."""

    day: int
    labelled: bool
    x: float
    width: float
    rail: float
    fill: float


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing; ``top`` is the number of members at its upper edge, ``last`` the latest day."""

    top: int
    last: Day
    bars: list[Bar]


def plot(days: Sequence[Day]) -> Plot | None:
    """Return the drawing of ``days`` in their order; None before the first."""
    if not days:
        return None
    top = max(1, *(max(day.active, day.checked_in) for day in days))
    slot = WIDTH / max(_FEWEST_SLOTS, len(days))
    every = -(-len(days) // _MOST_LABELS)
    bars = [
        Bar(
            day=day.day,
            labelled=place % every == 0,
            x=round(place * slot + slot * 0.1, 1),
            width=round(slot * 0.8, 1),
            rail=round(HEIGHT * day.active / top, 1),
            fill=round(HEIGHT * day.checked_in / top, 1),
        )
        for place, day in enumerate(days)
    ]
    return Plot(top, days[-1], bars)
