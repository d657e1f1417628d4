"""Messages of a rehearsal: to its process, and to the program that carries it out."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from contracts.base import Message
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rehearsal import Behaviour

LONGEST: Final = timedelta(minutes=10)
"""One try of a rehearsal; a longer one is ended."""
PATIENCE: Final = timedelta(hours=1)
"""How long a rehearsal may wait for a worker and be tried again, from when it was asked for."""


class RehearsalStatus(StrEnum):
    """Where a rehearsal stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE: Final = (RehearsalStatus.QUEUED, RehearsalStatus.RUNNING)


class RehearsalFailure(StrEnum):
    """Why there is no forecast."""

    NO_SERVER = "no_server"
    TOO_SLOW = "too_slow"
    BROKE_OFF = "broke_off"


class RehearsalInput(Message):
    """Starts the process of one rehearsal; everything else is in its row."""

    rehearsal_id: str


class Script(Message):
    """What is to be rehearsed. It names nobody and nothing of the community."""

    plan: CampaignPlan
    policy: CampaignPolicy
    behaviour: Behaviour
    participants: int
    seed: int


def rehearsal_process_id(rehearsal_id: str) -> str:
    """Return the workflow id of a rehearsal's process."""
    return f"rehearsal/{rehearsal_id}"
