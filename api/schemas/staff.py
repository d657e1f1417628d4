"""What staff decide and see, in JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input, PlainText
from api.schemas.applications import ApplicationSummary, Id, PersonOut
from contracts.contributions import EARLIEST
from domain.checks import Flag
from domain.credentials import ClaimVerdict
from domain.dates import Instant
from domain.vetting import (
    REVIEW_REASONS,
    AppealDecision,
    ChecklistItem,
    IfNothing,
    ProbationDecision,
    ReasonCode,
    ReviewDecision,
    Stage,
    Status,
    WaitingOn,
)
from domain.vetting.desk import Verdict, ViolationKind

Note = Annotated[PlainText, Field(max_length=5_000)]


def _affirmed(given: Any) -> Any:
    """Read a list as the items that hold."""
    if not isinstance(given, list) or len(given) > len(ChecklistItem):
        return given
    return dict.fromkeys(given, True) if all(isinstance(item, str) for item in given) else given


Checklist = Annotated[
    dict[ChecklistItem, bool],
    BeforeValidator(
        _affirmed,
        json_schema_input_type=dict[ChecklistItem, bool]
        | Annotated[list[ChecklistItem], Field(max_length=len(ChecklistItem))],
    ),
]


class FindingIn(Input):
    """A finding on one claim; ``registry_checked`` says that the issuer's register was asked."""

    claim_id: Id
    verdict: ClaimVerdict
    registry_checked: bool = False


class ReviewIn(Input):
    """A reviewer's decision. An approval rests on the checklist and on a finding for every claim.

    ``checklist`` says of each item whether it holds, or lists those that do. An approval that does not
    name ``findings`` verifies every claim, but for the expired and those in fields with a strict check.
    A rejection needs ``reasons``; a request for changes needs them or a note, which counts as ``other``.
    """

    decision: ReviewDecision
    checklist: Checklist = {}
    findings: Annotated[list[FindingIn], Field(max_length=50)] = []
    reasons: Annotated[list[ReasonCode], Field(max_length=len(REVIEW_REASONS))] = []
    note: Note = ""

    @field_validator("reasons")
    @classmethod
    def _each_once(cls, reasons: list[ReasonCode]) -> list[ReasonCode]:
        return list(dict.fromkeys(reasons))

    @property
    def given_reasons(self) -> tuple[ReasonCode, ...]:
        """The reasons; what to change may also be told by the note alone."""
        told = self.decision is ReviewDecision.REQUEST_CHANGES and self.note
        return tuple(self.reasons) or ((ReasonCode.OTHER,) if told else ())


class ProbationDecisionIn(Input):
    """A decision at the end of probation; one that departs from the recommendation needs a note."""

    decision: ProbationDecision
    note: Note = ""


class AppealDecisionIn(Input):
    """A decision about an appeal."""

    decision: AppealDecision
    note: Note = ""


class ViolationIn(Input):
    """A violation: noted as ``reported``, then ``confirmed`` or ``dismissed`` by its ``violation_id``.

    A confirmation without a ``violation_id`` notes and confirms in one. ``occurred_at`` defaults to now.
    """

    kind: ViolationKind | None = None
    verdict: Verdict
    occurred_at: Annotated[Instant, Field(ge=EARLIEST)] | None = None
    note: Note = ""
    violation_id: Id | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.violation_id is None and (self.kind is None or self.verdict is Verdict.DISMISSED):
            raise PydanticCustomError("violation_unnamed", "must name a violation_id, or a kind to report")
        if self.violation_id is not None and self.verdict is Verdict.REPORTED:
            raise PydanticCustomError("violation_unnamed", "a reported violation has no violation_id yet")
        return self


class QueueItem(BaseModel):
    """An application that waits; ``next_deadline`` is null where there is none.

    ``now`` is what the application's own clock shows.
    """

    id: str
    now: datetime
    applicant: PersonOut
    headline: str
    status: Status
    stage: Stage
    waiting_on: WaitingOn
    waiting_since: datetime | None
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    overdue: bool
    escalated: bool
    round: int
    flags: list[Flag]
    claimed_by: PersonOut | None


class ReviewOut(BaseModel):
    """A review that was given."""

    id: str
    round: int
    reviewer: PersonOut
    as_lead: bool
    decision: ReviewDecision
    checklist: dict[ChecklistItem, bool]
    findings: list[dict[str, Any]]
    reasons: list[ReasonCode]
    note: str | None
    decided_at: datetime


class ReviewsOut(BaseModel):
    """All reviews of an application, oldest first.

    ``hidden`` counts those of the present round that the reader, who may still give the second opinion,
    sees only after giving it.
    """

    items: list[ReviewOut]
    hidden: int


class EarlierApplication(ApplicationSummary):
    """An earlier application of the same person, and why it was lost."""

    reasons: list[ReasonCode]
    reapply_after: datetime | None


class EarlierOut(BaseModel):
    """Earlier applications, newest first."""

    items: list[EarlierApplication]


class ViolationOut(BaseModel):
    """A violation as it was noted."""

    id: str
    kind: ViolationKind
    verdict: Verdict
    occurred_at: datetime
    reported_by: str | None
    decided_by: str | None
    note: str | None
    created_at: datetime


class ViolationsOut(BaseModel):
    """The violations noted with an application, oldest first."""

    items: list[ViolationOut]


class ViolationNoted(BaseModel):
    """What was noted."""

    violation_id: str
    verdict: Verdict


Claimed = Literal["me"]
