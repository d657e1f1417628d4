"""What of a timeline the applicant is told: everything that concerns the way, no single reviewer's opinion.

Who reviewed stays unnamed. One reviewer's view counts for nothing before the round is decided, so
it is told as given, not as what it says; once the application is rejected or sent back, the notes of
those who said so are the reasons that the applicant must be able to read.
"""

from collections.abc import Sequence
from enum import StrEnum

INTERNAL = frozenset({"claimed", "released", "conflict_declared", "opinion_dropped"})
OPINION_GIVEN = "opinion_given"

_OPINIONS = frozenset({"review_approve", "review_reject"})
_ROUND_BEGINS = frozenset(
    {"submitted", "resubmitted", "appeal_overturned", "review_passed", "review_request_changes"}
)
_NOTES_TOLD = frozenset(
    {
        "review_request_changes",
        "probation_pass",
        "probation_extend",
        "probation_fail",
        "appealed",
        "appeal_upheld",
        "appeal_overturned",
    }
)


class Telling(StrEnum):
    """How much of one entry the applicant is told."""

    WHOLE = "whole"
    WITHOUT_NOTE = "without_note"
    AS_GIVEN = "as_given"
    NOTHING = "nothing"


def tellings(codes: Sequence[str]) -> tuple[Telling, ...]:
    """Return how each entry of a timeline is told to the applicant; ``codes`` are theirs, oldest first."""
    told: list[Telling] = []
    rejected_later = False
    for code in reversed(codes):
        rejected_later = _round_rejected(code, rejected_later)
        told.append(_telling(code, rejected_later))
    return tuple(reversed(told))


def _round_rejected(code: str, so_far: bool) -> bool:
    """Follow the timeline backwards: the opinions before a rejection belong to it until their round began."""
    if code == "rejected":
        return True
    # Whose opinion was dropped, codes do not tell: those before it stay untold.
    if code == "opinion_dropped" or code in _ROUND_BEGINS:
        return False
    return so_far


def _telling(code: str, round_rejected: bool) -> Telling:
    if code in INTERNAL:
        return Telling.NOTHING
    if code in _OPINIONS:
        return Telling.WHOLE if code == "review_reject" and round_rejected else Telling.AS_GIVEN
    return Telling.WHOLE if code in _NOTES_TOLD else Telling.WITHOUT_NOTE
