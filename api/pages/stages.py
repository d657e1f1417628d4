"""Where an application stands, as pictures need it: the line of stages, and probation week by week."""

from dataclasses import dataclass

from api.schemas.applications import ApplicationOut, WeekOut
from domain.vetting import Status

NAMES = ("credential_review", "member_vote", "probation", "certified")
_LOST = frozenset({Status.REJECTED, Status.ORDINARY_CREATOR})
_LEFT = frozenset({Status.WITHDRAWN, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Step:
    """A stage on the line; ``state`` is ``done``, ``now``, ``lost``, ``left`` or ``ahead``."""

    name: str
    state: str


def reached(application: ApplicationOut) -> int:
    """Return the index of the furthest stage that was entered."""
    if application.status is Status.CERTIFIED:
        return 3
    if application.probation is not None:
        return 2
    return 1 if application.ballot_id else 0


def line(application: ApplicationOut) -> list[Step]:
    """Return the three stages and the certificate, with where the application is on the way.

    A draft is before the first. After an appeal has led back, the stage that runs again is the current one.
    """
    status = application.status
    if status is Status.DRAFT:
        return [Step(name, "ahead") for name in NAMES]
    at = NAMES.index(status.value) if status.value in NAMES else reached(application)
    here = "lost" if status in _LOST else "left" if status in _LEFT else "now"
    if status is Status.CERTIFIED:
        here = "done"
    return [
        Step(name, "done" if index < at else here if index == at else "ahead")
        for index, name in enumerate(NAMES)
    ]


@dataclass(frozen=True, slots=True)
class Bar:
    """A week of probation in the chart: posts, and where its bar stands (pixels of the drawing)."""

    week: WeekOut
    x: float
    y: float
    height: float


WIDTH, HEIGHT = 560, 140


@dataclass(frozen=True, slots=True)
class Weeks:
    """The bars of all evaluated weeks and the scale they were drawn to (posts).

    ``asked_y`` is the height of the line of posts that the policy asks for.
    """

    bars: list[Bar]
    most: int
    bar_width: float
    asked_y: float = 0.0


def weeks(application: ApplicationOut) -> Weeks:
    """Return the weekly posts of the current period of probation as bars; none before the first week."""
    probation = application.probation
    if probation is None or not probation.evaluations:
        return Weeks([], 0, 0.0)
    period = max(week.period for week in probation.evaluations)
    shown = [week for week in probation.evaluations if week.period == period]
    most = max(4, probation.posts_a_week, *(week.figures.posts for week in shown))
    slot = WIDTH / max(8, len(shown))
    bars = []
    for index, week in enumerate(shown):
        height = HEIGHT * week.figures.posts / most
        bars.append(Bar(week, round(index * slot + 6, 1), round(HEIGHT - height, 1), round(height, 1)))
    asked_y = round(HEIGHT - HEIGHT * probation.posts_a_week / most, 1)
    return Weeks(bars, most, round(slot - 12, 1), asked_y)
