"""How the members of a campaign are split for bulk work, and what their enrolment can be."""

import hashlib
from enum import StrEnum
from itertools import pairwise

SHARDS = 1024


class Place(StrEnum):
    """What an enrolment is: taking part, waiting for a place, gone, or taken out by staff."""

    ACTIVE = "active"
    WAITING = "waiting"
    LEFT = "left"
    REMOVED = "removed"


def shard_of(person_id: str) -> int:
    """Return the number from 0 to 1023 that is drawn from a person's id, the same everywhere and always."""
    return int.from_bytes(hashlib.blake2b(person_id.encode(), digest_size=2).digest()) % SHARDS


def shard_ranges(shards: int) -> list[tuple[int, int]]:
    """Split 0 to 1023 into ``shards`` ranges ``[first, last)`` that differ by at most one."""
    edges = [SHARDS * number // shards for number in range(shards + 1)]
    return list(pairwise(edges))
