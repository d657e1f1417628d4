"""The pool over time as bands on top of each other: where it goes, and where it came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from api.schemas.points import PoolDayOut
from domain.points import Source

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
    """Return the drawing of what is left, promised and paid; None before the first deposit."""
    return _plot(days, ("left", "promised", "paid"), getattr)


def plot_of_sources(days: Sequence[PoolDayOut]) -> Plot | None:
    """Return the drawing of what came in by source until each day; None before the first."""
    return _plot(
        days, tuple(source.value for source in Source), lambda day, name: day.by_source[Source(name)]
    )


def _plot(
    days: Sequence[PoolDayOut], names: tuple[str, ...], value: Callable[[PoolDayOut, str], int]
) -> Plot | None:
    top = max((sum(value(day, name) for name in names) for day in days), default=0)
    if top <= 0:
        return None
    floor = [0] * len(days)
    bands = []
    for name in names:
        # A day on a clock that was skipped ahead can be behind its own reversal.
        ceiling = [low + max(0, value(day, name)) for low, day in zip(floor, days, strict=True)]
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
