"""The pool over time as bands on top of each other: what is left, what is promised, what was paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from api.schemas.points import PoolDayOut

WIDTH: Final = 560
HEIGHT: Final = 160


@dataclass(frozen=True, slots=True)
class Band:
    """One band: its ``name``, and the corners of its area in pixels of the drawing."""

    name: str
    corners: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole drawing, from ``first`` to ``last``; ``top`` is the number of points at its upper edge."""

    first: date
    last: date
    top: int
    bands: list[Band]


def plot(days: Sequence[PoolDayOut]) -> Plot | None:
    """Return the drawing of ``days``; None before the first deposit."""
    top = max((day.left + day.promised + day.paid for day in days), default=0)
    if top <= 0:
        return None
    floor = [0] * len(days)
    bands = []
    for name in ("left", "promised", "paid"):
        # A day on a clock that was skipped ahead can be behind its own reversal.
        ceiling = [low + max(0, getattr(day, name)) for low, day in zip(floor, days, strict=True)]
        bands.append(Band(name, _corners(floor, ceiling, max(top, *ceiling))))
        floor = ceiling
    return Plot(days[0].day, days[-1].day, top, bands)


def _corners(floor: Sequence[int], ceiling: Sequence[int], top: int) -> str:
    """Walk along the upper edge and back along the lower one; each day is a step as wide as its day."""
    upper = [corner for place, value in enumerate(ceiling) for corner in _step(place, value, ceiling, top)]
    lower = [corner for place, value in enumerate(floor) for corner in _step(place, value, floor, top)]
    return " ".join([*upper, *reversed(lower)])


def _step(place: int, value: int, values: Sequence[int], top: int) -> tuple[str, str]:
    width = WIDTH / len(values)
    y = HEIGHT - HEIGHT * value / top
    return f"{place * width:.1f},{y:.1f}", f"{(place + 1) * width:.1f},{y:.1f}"
