"""Probation week by week against its targets, as the bars of small drawings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.schemas.applications import ApplicationOut, WeekOut
from domain.probation import Figures, Target

WIDTH: Final = 560
HEIGHT: Final = 110
_FEWEST_SLOTS: Final = 9
_GAP: Final = 8.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A week's bar: ``value`` None where there was nothing to measure. Pixels of the drawing."""

    week: int
    value: float | None
    missed: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """One target: its ``name``, whether its values are shares, and how high the target stands."""

    name: str
    share: bool
    target: float
    target_y: float
    bars: list[Bar]

    @property
    def missed(self) -> int:
        """How many weeks were below the target."""
        return sum(bar.missed for bar in self.bars)


def plots(application: ApplicationOut) -> list[Plot]:
    """Return posts, answers and ratings of the present period's evaluated weeks; none before the first."""
    probation = application.probation
    if probation is None or not probation.evaluations:
        return []
    period = max(week.period for week in probation.evaluations)
    weeks = [week for week in probation.evaluations if week.period == period]
    needed = {target.target: target.needed for target in probation.targets}
    posts = probation.posts_a_week
    return [
        _plot("posts", weeks, lambda f: float(f.posts), posts, 2.0 * max(2, posts)),
        _plot("answers", weeks, _answered, needed[Target.ANSWERS], 1.0, share=True),
        _plot("rating", weeks, _rated, needed[Target.RATING], 5.0),
    ]


def _answered(figures: Figures) -> float | None:
    return figures.answered_in_time / figures.questions if figures.questions else None


def _rated(figures: Figures) -> float | None:
    return figures.rating_sum / figures.ratings if figures.ratings else None


def _plot(
    name: str,
    weeks: list[WeekOut],
    measure: Callable[[Figures], float | None],
    target: float,
    top: float,
    *,
    share: bool = False,
) -> Plot:
    values = [(week.week, measure(week.figures)) for week in weeks]
    top = max([top, *(value for _, value in values if value is not None)])
    slot = WIDTH / max(_FEWEST_SLOTS, len(values))
    bars = [
        _bar(number, value, target, HEIGHT * (value or 0.0) / top, index * slot, slot)
        for index, (number, value) in enumerate(values)
    ]
    return Plot(name, share, target, round(HEIGHT - HEIGHT * target / top, 1), bars)


def _bar(number: int, value: float | None, target: float, height: float, x: float, slot: float) -> Bar:
    return Bar(
        week=number,
        value=value,
        missed=value is not None and value < target,
        x=round(x + _GAP / 2, 1),
        y=round(HEIGHT - height, 1),
        width=round(slot - _GAP, 1),
        height=round(height, 1),
    )
