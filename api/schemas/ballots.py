"""Ballots in JSON: what voters see, cast and check."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from api.inputs import Input
from api.schemas.applications import PersonOut
from domain.ballots import BallotOutcome, BallotStatus, Choice

Nonce = Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Receipt = Annotated[str, StringConstraints(pattern=r"^[A-Z2-7]{26}$", min_length=26, max_length=26)]


class VoteIn(Input):
    """A vote. ``nonce`` is the voter's secret: whoever keeps it can derive the receipt again."""

    choice: Choice
    nonce: Nonce


class VoteOut(BaseModel):
    """The receipt of a vote; it proves that the vote counts, and to nobody how it was."""

    receipt: str


class MyMark(BaseModel):
    """The reader's own place on the roll."""

    on_roll: bool
    has_voted: bool
    may_vote: bool


class BallotSummary(BaseModel):
    """A ballot in a list."""

    id: str
    kind: str
    candidate: PersonOut
    headline: str
    status: BallotStatus
    opens_at: datetime
    closes_at: datetime
    extended: bool
    roll_size: int
    outcome: BallotOutcome | None
    my: MyMark


class VerifiedClaim(BaseModel):
    """A credential that reviewers verified."""

    scope: str
    issuer: str
    expires_on: date | None


class BallotOut(BallotSummary):
    """A ballot with what voters should know of the candidate. Running totals are hidden while it is open.

    ``decides`` is a code for what passing means; instants are of the ballot's own clock, as is ``now``.
    """

    decides: str
    bio: str
    statement: str
    tags: list[str]
    claims: list[VerifiedClaim]
    quorum: int
    quorum_share: float
    approval_share: float
    now: datetime


class ResultOut(BaseModel):
    """The result of a closed ballot and what it was measured by."""

    id: str
    outcome: BallotOutcome
    yes: int
    no: int
    abstain: int
    cast: int
    roll_size: int
    quorum: int
    quorum_reached: bool
    approval: float | None
    approval_share: float
    extended: bool
    closed_at: datetime


class ReceiptsOut(BaseModel):
    """Receipts of all counted votes, sorted, a page at a time."""

    items: list[str]
    next_cursor: str | None


class ReceiptOut(BaseModel):
    """``present``: a vote with this receipt is in the ballot. ``counted`` is null until it closes."""

    receipt: str
    present: bool
    counted: bool | None


class LeaderOut(BaseModel):
    """A certified leader. ``topics`` are those whose credentials hold today."""

    person_id: str
    display_name: str
    topics: list[str]
    since: datetime
    tier: Annotated[str, Field(max_length=32)]
