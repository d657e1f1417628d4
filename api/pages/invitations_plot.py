"""The funnel of invitations as bars: how many reached each step, out of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.schemas.invitation_growth import StepOut

WIDTH: Final = 560
ROW: Final = 46
ABOVE: Final = 28
"""Pixels for the words above a bar, which are larger on a phone."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One step in pixels of the drawing; ``y`` is the upper edge of its bar."""

    step: StepOut
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing, ``height`` pixels high; all who could reach a step are ``WIDTH`` wide."""

    bars: list[Bar]
    height: int


def plot(steps: Sequence[StepOut]) -> Plot | None:
    """Return the drawing of the funnel; None where nobody was invited."""
    top = steps[0].reached
    if top == 0:
        return None
    bars = [
        Bar(step, y=place * ROW + ABOVE, width=round(WIDTH * step.reached / top, 1))
        for place, step in enumerate(steps)
    ]
    return Plot(bars, height=len(bars) * ROW)
