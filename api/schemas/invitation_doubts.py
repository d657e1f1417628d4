"""Doubtful friends in JSON, for staff."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input
from api.pagination import LARGEST_PAGE
from api.schemas.applications import Id, PersonOut
from api.schemas.campaigns import Note
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtOutcome, DoubtReason, JoinStatus
from domain.people import PersonStatus


class DoubtOut(BaseModel):
    """A friend who counts for nothing until staff have decided, and why."""

    id: str
    campaign_id: str
    campaign_title: str
    inviter: PersonOut
    friend: PersonOut
    reasons: list[DoubtReason]
    new_member: bool
    joined_at: datetime


class WitnessOut(PersonOut):
    """Somebody in a case; ``email`` only where the case is about addresses that look alike."""

    member_since: datetime | None
    status: PersonStatus
    email: str | None


class EarlierOut(BaseModel):
    """Another friend of the same inviter."""

    id: str
    friend_name: str
    campaign_title: str
    status: JoinStatus
    joined_at: datetime


class CaseOut(DoubtOut):
    """A case as staff look at it: who they are, what the friend did, what the inviter did before.

    ``same_client`` counts this inviter's other friends who joined from the same client address,
    ``same_client_elsewhere`` those of others; null where none is known. Decided cases say by whom and why.
    """

    status: JoinStatus
    inviter_about: WitnessOut
    friend_about: WitnessOut
    days_done: int
    severed: bool
    earlier: list[EarlierOut]
    earlier_by_status: dict[JoinStatus, int]
    same_client: int | None
    same_client_elsewhere: int | None
    decided_by: str | None
    decided_at: datetime | None
    note: str | None


class DoubtDecisionIn(Input):
    """What staff decide, and why; a friend who is not to count is owed a reason."""

    decision: DoubtDecision
    note: Annotated[Note | None, Field(validate_default=True)] = None

    @field_validator("note")
    @classmethod
    def _explained(cls, note: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("decision") is DoubtDecision.REJECT and not (note and note.strip()):
            raise PydanticCustomError("unexplained", "must say why")
        return note


class DoubtDecisionsIn(DoubtDecisionIn):
    """One decision about several cases of a page of the queue, and why."""

    cases: Annotated[list[Id], Field(min_length=1, max_length=LARGEST_PAGE)]


class DecidedOut(BaseModel):
    """What the decision has come to; ``points`` were paid at once, after the settlement."""

    outcome: DoubtOutcome
    points: int
