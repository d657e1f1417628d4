"""Messages of the vetting process. All instants are UTC of the process's own clock."""

from datetime import datetime
from typing import Any

from contracts.base import Message
from domain.checks import Flag, Missing
from domain.people import Role
from domain.policy import VettingPolicy
from domain.probation import Figures
from domain.process import Entry
from domain.vetting import (
    AppealDecision,
    IfNothing,
    ProbationDecision,
    Refusal,
    Stage,
    Status,
    WaitingOn,
)
from domain.vetting.review import Review
from domain.vetting.state import MailOrder, VettingState


class VettingInput(Message):
    """Starts a process: whose application, under which policy.

    ``carried`` and ``answered`` (update id to answer) continue an earlier run.
    """

    application_id: str
    person_id: str
    policy: VettingPolicy
    policy_version: int
    carried: VettingState | None = None
    answered: dict[str, "StatusView"] = {}


class VettingResult(Message):
    """How a process ended."""

    application_id: str
    status: Status


class Act(Message):
    """A request by one person; ``is_lead`` says that the person may act as lead reviewer."""

    actor_id: str
    is_lead: bool = False


class Submit(Act):
    """Submit or resubmit; ``edit_version`` is what the applicant saw (None: whatever it is now)."""

    edit_version: int | None = None


class Appeal(Act):
    """Appeal; the reason's text is kept behind ``note_id``."""

    note_id: str


class DecideProbation(Act):
    """Confirm or depart from the recommendation at the end of probation."""

    decision: ProbationDecision
    note_id: str | None = None


class DecideAppeal(Act):
    """Decide an appeal."""

    decision: AppealDecision
    note_id: str | None = None


class ConfirmViolation(Act):
    """Confirm a violation during probation; ``kind`` is a code."""

    violation_id: str
    kind: str


class StatusView(Message):
    """Where an application stands: who must act, by when, and what happens if nobody does."""

    application_id: str
    status: Status
    stage: Stage
    waiting_on: WaitingOn
    waiting_since: datetime | None
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    revision: int
    round: int
    claimed_by: str | None
    ballot_id: str | None


VettingInput.model_rebuild()


def status_of(state: VettingState) -> StatusView:
    """Return what people are told of ``state``."""
    deadline = state.deadline
    return StatusView(
        application_id=state.application_id,
        status=state.status,
        stage=state.stage,
        waiting_on=state.waiting_on,
        waiting_since=state.waiting_since,
        next_deadline=deadline.at if deadline else None,
        if_nothing_happens=state.if_nothing_happens,
        revision=state.revision,
        round=state.round,
        claimed_by=state.claimed_by,
        ballot_id=state.ballot.id if state.ballot else None,
    )


class Projection(StatusView):
    """The row that lists and pages read; written only if its ``revision`` is newer."""

    person_id: str
    policy_version: int
    escalated: bool
    flags: tuple[Flag, ...]
    reasons: tuple[str, ...]
    probation_starts_at: datetime | None
    probation_ends_at: datetime | None
    recommendation: ProbationDecision | None
    evaluation: dict[str, Any] | None
    appeal_until: datetime | None
    submitted_at: datetime | None
    ended_at: datetime | None
    reapply_after: datetime | None


def projection_of(state: VettingState) -> Projection:
    """Return the whole row for ``state``."""
    period, evaluation = state.period, state.evaluation
    return Projection(
        **status_of(state).model_dump(),
        person_id=state.person_id,
        policy_version=state.policy_version,
        escalated=state.escalated,
        flags=state.flags,
        reasons=tuple(reason.value for reason in state.reasons),
        probation_starts_at=period.starts_at if period else None,
        probation_ends_at=period.ends_at if period else None,
        recommendation=evaluation.recommendation if evaluation else None,
        evaluation=evaluation.model_dump(mode="json") if evaluation else None,
        appeal_until=state.appeal_until,
        submitted_at=state.submitted_at,
        ended_at=state.ended_at,
        reapply_after=state.reapply_after,
    )


class Admission(Message):
    """Asks for the automatic checks in the same transaction as the transition that depends on them."""

    edit_version: int | None = None


class RecordInput(Message):
    """One transition, written whole in one transaction, once however often it is tried.

    ``state`` is what the transition leads to; ``run_id`` names the process for its whole life.
    """

    process_id: str
    run_id: str
    at: datetime
    state: VettingState
    entries: tuple[Entry, ...] = ()
    mails: tuple[MailOrder, ...] = ()
    excluded_staff: tuple[str, ...] = ()
    grant: Role | None = None
    revoke: Role | None = None
    certified_claims: tuple[str, ...] | None = None
    cancelled_ballot: str | None = None
    conflict_of: str | None = None
    review: Review | None = None
    admission: Admission | None = None

    @property
    def projection(self) -> Projection:
        """The row that the state is shown by."""
        return projection_of(self.state)


class RecordResult(Message):
    """What the automatic checks said; ``refusal`` set means that nothing was written.

    ``ahead`` set means that nothing was written either, because the database is at that state already: an
    earlier try of this step, or of another one that the process has forgotten, committed and was cut off.
    """

    refusal: Refusal | None = None
    missing: tuple[Missing, ...] = ()
    flags: tuple[Flag, ...] = ()
    reapply_after: datetime | None = None
    ahead: VettingState | None = None


class EvaluateWeek(Message):
    """Asks for the figures of one week of one period, to be stored with it."""

    application_id: str
    person_id: str
    period: int
    week: int
    starts_at: datetime
    ends_at: datetime
    at: datetime
    answer_within_hours: int


class JudgeProbation(Message):
    """Asks for the figures of a span: posts of each full week, and totals."""

    person_id: str
    starts_at: datetime
    ends_at: datetime
    at: datetime
    weeks: int
    answer_within_hours: int


class ProbationFigures(Message):
    """Counts of a span, no names."""

    weekly_posts: tuple[int, ...]
    total: Figures


__all__ = [
    "Act",
    "Admission",
    "Appeal",
    "ConfirmViolation",
    "DecideAppeal",
    "DecideProbation",
    "EvaluateWeek",
    "JudgeProbation",
    "ProbationFigures",
    "Projection",
    "RecordInput",
    "RecordResult",
    "Review",
    "StatusView",
    "Submit",
    "VettingInput",
    "VettingResult",
    "projection_of",
    "status_of",
]
