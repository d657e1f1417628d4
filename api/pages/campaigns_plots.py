"""Check-ins by day as bars: who took part, who of them checked in, and who made the day up later."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import Connection

from api.services.campaigns import existing
from db.repositories.check_in_records import rules_of

WIDTH: Final = 560
HEIGHT: Final = 120
_MOST_LABELS: Final = 8
_FEWEST_SLOTS: Final = 7


class Day(Protocol):
    """What a bar needs of a day: its number, who took part, who checked in.

    Days of reports and rehearsals have ``made_up`` too; of those that are still counted it is not known.
    """

    day: int
    active: int
    checked_in: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bars in pixels of the drawing: ``rail`` for who took part, ``fill`` for who checked in.

    ``made_up`` stands on ``fill``; ``rest`` marks a day that asked nothing.
    """

    day: int
    labelled: bool
    x: float
    width: float
    rail: float
    fill: float
    made_up: float
    rest: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing; ``top`` is the number of members at its upper edge, ``last`` the latest day.

    ``made_up`` are all days made up later, None where that is not told; ``rest`` the days of rest among them.
    """

    top: int
    last: Day
    bars: list[Bar]
    made_up: int | None
    rest: frozenset[int]


def resting(conn: Connection, campaign_id: str) -> frozenset[int]:
    """Return the days of a campaign that ask nothing: those of its plan, and those of outages."""
    return rules_of(conn, existing(conn, campaign_id)).rest


def plot(days: Sequence[Day], rest: Collection[int] = ()) -> Plot | None:
    """Return the drawing of ``days`` in their order, those of ``rest`` marked; None before the first."""
    if not days:
        return None
    made_up = [getattr(day, "made_up", None) for day in days]
    top = max(
        1, *(max(day.active, day.checked_in + (made or 0)) for day, made in zip(days, made_up, strict=True))
    )
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
            made_up=round(HEIGHT * (made or 0) / top, 1),
            rest=day.day in rest,
        )
        for place, (day, made) in enumerate(zip(days, made_up, strict=True))
    ]
    told = [made for made in made_up if made is not None]
    return Plot(
        top,
        days[-1],
        bars,
        sum(told) if told else None,
        frozenset(day.day for day in days if day.day in rest),
    )
