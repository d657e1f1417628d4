"""Ballots: quorum, tally and receipts of a secret vote."""

import base64
import hashlib
from enum import StrEnum
from fractions import Fraction
from math import ceil

from pydantic import BaseModel, ConfigDict, Field


class Choice(StrEnum):
    """What a voter can answer."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


class BallotStatus(StrEnum):
    """Where a ballot stands; only an open one takes votes."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class BallotOutcome(StrEnum):
    """What a count says."""

    PASSED = "passed"
    FAILED = "failed"
    NO_QUORUM = "no_quorum"


class Tally(BaseModel):
    """The counted votes of a ballot and the size of its frozen roll."""

    model_config = ConfigDict(frozen=True)

    yes: int = Field(0, ge=0)
    no: int = Field(0, ge=0)
    abstain: int = Field(0, ge=0)
    roll: int = Field(0, ge=0)

    @property
    def cast(self) -> int:
        """Votes of any kind: what the quorum counts."""
        return self.yes + self.no + self.abstain


def exact_share(share: float) -> Fraction:
    """Return ``share`` as the decimal that was typed: 0.1 is 1/10, not the nearest binary fraction."""
    return Fraction(str(share))


def quorum(roll: int, share: float, minimum: int) -> int:
    """Return how many votes a roll of that size needs: the share rounded up, at least ``minimum``."""
    return max(minimum, ceil(exact_share(share) * roll))


def outcome(
    tally: Tally, *, quorum_share: float, quorum_minimum: int, approval_share: float
) -> BallotOutcome:
    """Judge a tally.

    Abstentions count for the quorum only. Approval is yes / (yes + no) and must reach
    ``approval_share``; with neither a yes nor a no there is no approval.
    """
    if tally.cast < quorum(tally.roll, quorum_share, quorum_minimum):
        return BallotOutcome.NO_QUORUM
    decisive = tally.yes + tally.no
    if decisive and Fraction(tally.yes, decisive) >= exact_share(approval_share):
        return BallotOutcome.PASSED
    return BallotOutcome.FAILED


def receipt(ballot_id: str, person_id: str, nonce: str) -> str:
    """Return the voter's receipt: 26 characters that only the holder of the nonce can derive.

    The choice is not part of it, so a receipt proves that a vote was counted, not which one:
    nobody can be made to prove how they voted.
    """
    digest = hashlib.sha256("\x1f".join((ballot_id, person_id, nonce)).encode()).digest()
    return base64.b32encode(digest)[:26].decode()


def shard_bounds(roll: int, shards: int, shard: int) -> tuple[int, int]:
    """Return the half-open range of roll positions ``[first, last)`` that ``shard`` works through."""
    return roll * shard // shards, roll * (shard + 1) // shards
