"""The desk of the staff: which stages make up which queue, and the violations that are noted there."""

from enum import StrEnum

from domain.vetting.terms import Stage


class Queue(StrEnum):
    """The queues that staff work through."""

    REVIEW = "review"
    SECOND_REVIEW = "second_review"
    LEAD_REVIEW = "lead_review"
    PROBATION = "probation"
    APPEAL = "appeal"
    CHANGES = "changes"
    VOTE = "vote"


QUEUE_STAGES: dict[Queue, frozenset[Stage]] = {
    Queue.REVIEW: frozenset({Stage.FIRST_REVIEW}),
    Queue.SECOND_REVIEW: frozenset({Stage.SECOND_REVIEW}),
    Queue.LEAD_REVIEW: frozenset({Stage.LEAD_REVIEW}),
    Queue.PROBATION: frozenset({Stage.PROBATION_DECISION}),
    Queue.APPEAL: frozenset({Stage.APPEAL_REVIEW}),
    Queue.CHANGES: frozenset({Stage.CHANGES_REQUESTED}),
    Queue.VOTE: frozenset({Stage.VOTING, Stage.VOTING_EXTENDED}),
}
"""An application that was escalated is in the queue ``lead_review`` as well as in its own."""


class Verdict(StrEnum):
    """What became of a reported violation."""

    REPORTED = "reported"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class ViolationKind(StrEnum):
    """What a leader can have violated."""

    PLAGIARISM = "plagiarism"
    HARASSMENT = "harassment"
    MISLEADING_ADVICE = "misleading_advice"
    UNDISCLOSED_ADVERTISING = "undisclosed_advertising"
    FALSE_CREDENTIALS = "false_credentials"
    MANIPULATION = "manipulation"
    PRIVACY_BREACH = "privacy_breach"
    OTHER = "other"
