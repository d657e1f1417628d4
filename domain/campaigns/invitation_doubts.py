"""What makes a friend who joined by an invitation doubtful: reasons for staff to look, never a refusal.

Doubtful friends count for nothing until staff have decided; time alone never decides.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.campaigns.invitations import lookalike_key


class JoinStatus(StrEnum):
    """How far a friend who joined has come."""

    JOINED = "joined"
    DOUBTFUL = "doubtful"
    ACTIVATED = "activated"
    REJECTED = "rejected"


class DoubtReason(StrEnum):
    """Why somebody has to look at it."""

    RING = "ring"
    LOOKALIKE_ADDRESS = "lookalike_address"
    MANY_FROM_ONE_CLIENT = "many_from_one_client"
    VELOCITY = "velocity"
    OTHER_ADDRESS = "other_address"


class DoubtDecision(StrEnum):
    """What staff decide about a doubtful friend."""

    COUNT = "count"
    REJECT = "reject"


class DoubtOutcome(StrEnum):
    """What a decision about a doubtful friend has come to.

    While the campaign runs one that counts ``waits``: it is counted with the others at the next close of a
    day or at the settlement, once active enough. After the settlement it is counted at once: the inviter is
    ``paid``, or has no reward to come (``counted``), or the friend was ``not_active`` enough.
    """

    REJECTED = "rejected"
    WAITS = "waits"
    PAID = "paid"
    COUNTED = "counted"
    NOT_ACTIVE = "not_active"


BURST = frozenset({DoubtReason.MANY_FROM_ONE_CLIENT, DoubtReason.VELOCITY})
"""Reasons that lie in the number: they hold for the first of a burst as for the last."""

VELOCITY_WINDOW = timedelta(hours=1)
MOST_IN_WINDOW = 10
"""Friends of one inviter who may join within the window before it is looked at."""

CLIENT_WINDOW = timedelta(days=1)
MOST_OF_CLIENT = 4
"""Friends of one inviter who may join from one client address within its window: a household."""


class Joining(BaseModel):
    """What is known when a friend joins; the numbers count this friend in.

    ``accounts_alike`` are the addresses of the inviter and of the friends whom the same person invited.
    """

    model_config = ConfigDict(frozen=True)

    email: str
    accounts_alike: Sequence[str] = ()
    invited_the_inviter: bool = False
    in_window: int = 1
    of_client: int = 1


def doubts(joining: Joining) -> tuple[DoubtReason, ...]:
    """Return what speaks against counting the friend at once, the gravest first."""
    alike = {lookalike_key(email) for email in joining.accounts_alike}
    found = {
        DoubtReason.RING: joining.invited_the_inviter,
        DoubtReason.LOOKALIKE_ADDRESS: lookalike_key(joining.email) in alike,
        DoubtReason.MANY_FROM_ONE_CLIENT: joining.of_client > MOST_OF_CLIENT,
        DoubtReason.VELOCITY: joining.in_window > MOST_IN_WINDOW,
    }
    return tuple(reason for reason, holds in found.items() if holds)
