"""Which status of an application goes with which stage of its process."""

from typing import Final

from domain.vetting import Stage, Status

LOST: Final = frozenset({Status.REJECTED, Status.ORDINARY_CREATOR})
ENDS: Final = frozenset({Status.CERTIFIED, Status.WITHDRAWN, Status.EXPIRED, *LOST})
_REVIEW: Final = frozenset({Status.CREDENTIAL_REVIEW})
STATUSES: Final[dict[Stage, frozenset[Status]]] = {
    Stage.FIRST_REVIEW: _REVIEW,
    Stage.SECOND_REVIEW: _REVIEW,
    Stage.LEAD_REVIEW: _REVIEW,
    Stage.CHANGES_REQUESTED: _REVIEW,
    Stage.VOTING: frozenset({Status.MEMBER_VOTE}),
    Stage.VOTING_EXTENDED: frozenset({Status.MEMBER_VOTE}),
    Stage.PROBATION: frozenset({Status.PROBATION}),
    Stage.PROBATION_EXTENDED: frozenset({Status.PROBATION}),
    Stage.PROBATION_DECISION: frozenset({Status.PROBATION}),
    Stage.APPEAL_WINDOW: LOST,
    Stage.APPEAL_REVIEW: LOST,
    Stage.CLOSED: ENDS,
}
"""The statuses that a stage can belong to once it was handed in: no other pair is ever legal."""
