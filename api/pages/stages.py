"""Where an application stands, as a picture needs it: the line of stages."""

from dataclasses import dataclass

from api.schemas.applications import ApplicationOut
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
