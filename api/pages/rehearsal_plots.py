"""The forecast of a rehearsal as drawings: who took part, points against the reservation, growth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from api.pages import campaigns_plots
from api.schemas.rehearsals import ForecastOut
from domain.campaigns.calendar import rest_days
from domain.campaigns.plan import CampaignPlan

WIDTH: Final = 560
HEIGHT: Final = 160


@dataclass(slots=True)
class Attendance:
    """A day as the bars of who took part need it."""

    day: int
    on: date
    active: int
    checked_in: int
    made_up: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over the days, as points of a drawing whose upper edge stands for ``top``."""

    top: int
    lines: dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of mail: how many as simulated and with every seat taken, and its bar (pixels)."""

    template: str
    number: int
    when_full: int
    width: float


def attendance(forecast: ForecastOut) -> list[Attendance]:
    """Return the days as the plot of who took part shows them."""
    return [Attendance(one.day, one.on, one.members, one.checked_in, one.made_up) for one in forecast.days]


def participation(forecast: ForecastOut, plan: CampaignPlan) -> campaigns_plots.Plot | None:
    """Return the bars of who took part in the rehearsal of ``plan``, day by day."""
    return campaigns_plots.plot(attendance(forecast), rest_days(plan, len(forecast.days)))


def points(forecast: ForecastOut) -> Lines:
    """Return what check-ins will have earned by each day, with every seat taken, under the reservation."""
    earned = [min(forecast.liability, round(one.earned * forecast.scale)) for one in forecast.days]
    return _lines(max(1, forecast.liability), {"earned": earned})


def growth(forecast: ForecastOut) -> Lines:
    """Return how many take part and how many have come by a friend, as simulated."""
    members, invited = ([getattr(one, name) for one in forecast.days] for name in ("members", "invited"))
    return _lines(max([1, *members, *invited]), {"members": members, "invited": invited})


def _lines(top: int, values: dict[str, list[int]]) -> Lines:
    return Lines(top, {name: _line(line, top) for name, line in values.items()})


def _line(values: Sequence[int], top: int) -> str:
    step = WIDTH / max(1, len(values) - 1)
    corners = [
        f"{place * step:.1f},{HEIGHT - HEIGHT * value / top:.1f}" for place, value in enumerate(values)
    ]
    # A single day is a line too.
    return " ".join(
        corners if len(corners) > 1 else [*corners, *(c.replace("0.0,", "560.0,") for c in corners)]
    )


def mail_rows(forecast: ForecastOut) -> list[Row]:
    """Return the mails by kind, the most first."""
    scaled = {name: round(number * forecast.scale) for name, number in forecast.mails_to_members.items()}
    number, full = dict(forecast.mails_to_members), dict(scaled)
    for name, count in forecast.mails_to_others.items():
        number[name] = number.get(name, 0) + count
        full[name] = full.get(name, 0) + count
    most = max([1, *full.values()])
    return [
        Row(name, number[name], full[name], round(100 * full[name] / most, 1))
        for name in sorted(full, key=lambda name: (-full[name], name))
    ]
