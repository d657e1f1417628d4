"""Applications in JSON, as applicants write them and as they are read."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input, OneLine, PlainText
from api.security.rules import ID_PATTERN
from domain.checks import Flag, Missing
from domain.dates import Day
from domain.documents import DocumentKind, MediaType
from domain.probation import Figures
from domain.vetting import IfNothing, ProbationDecision, ReasonCode, Stage, Status, WaitingOn
from domain.vetting.disclosure import OPINION_GIVEN

__all__ = ["OPINION_GIVEN"]

MAX_HEADLINE, MAX_BIO, MAX_STATEMENT = 160, 2_000, 10_000
MAX_TAGS, MAX_TAG, MAX_LINKS, MAX_LINK, MAX_CLAIMS = 10, 40, 10, 500, 20


def _unique(values: list[str]) -> list[str]:
    if len({value.casefold() for value in values}) != len(values):
        raise PydanticCustomError("duplicate", "must not name anything twice")
    return values


def _web_address(text: str) -> str:
    wrong = PydanticCustomError("link", "must be a web address that begins with http:// or https://")
    if any(char.isspace() for char in text):
        raise wrong
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it judges it
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise wrong
    return text


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, min_length=36, max_length=36)]
Headline = Annotated[OneLine, Field(max_length=MAX_HEADLINE)]
Bio = Annotated[PlainText, Field(max_length=MAX_BIO)]
Statement = Annotated[PlainText, Field(max_length=MAX_STATEMENT)]
Tag = Annotated[OneLine, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_unique)]
Link = Annotated[OneLine, Field(min_length=8, max_length=MAX_LINK), AfterValidator(_web_address)]
Links = Annotated[list[Link], Field(max_length=MAX_LINKS), AfterValidator(_unique)]


class ClaimIn(Input):
    """A credential as the applicant claims it: a topic, who issued it, until when, and what proves it."""

    scope: Annotated[OneLine, Field(min_length=1, max_length=80)]
    issuer: Annotated[OneLine, Field(min_length=1, max_length=160)]
    expires_on: Day | None = None
    document_ids: Annotated[list[Id], Field(max_length=10), AfterValidator(_unique)] = []


def _apart(claims: list[ClaimIn]) -> list[ClaimIn]:
    _unique([f"{claim.scope}\0{claim.issuer}" for claim in claims])
    return claims


Claims = Annotated[list[ClaimIn], Field(max_length=MAX_CLAIMS), AfterValidator(_apart)]


class ApplicationIn(Input):
    """A draft, or changes to one: what is not named stays as it is; ``claims`` replace all earlier ones."""

    headline: Headline = ""
    bio: Bio = ""
    statement: Statement = ""
    tags: Tags = []
    links: Links = []
    claims: Claims = []

    @property
    def profile(self) -> dict[str, Any]:
        """The named fields but the claims, as they are stored."""
        return self.model_dump(exclude_unset=True, exclude={"claims"})


class ApplicationChanges(ApplicationIn):
    """Changes to an application: at least one."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_named", "must name at least one field")
        return self


class AppealIn(Input):
    """Why the applicant thinks that the loss was wrong."""

    reason: Annotated[PlainText, Field(min_length=1, max_length=5_000)]


class Nothing(Input):
    """An empty object."""


NoBody = Nothing | None
"""The body of a call that says everything by its path: none, or an empty object."""


class ClaimOut(BaseModel):
    """A credential claim; ``regulated`` fields take the strict check."""

    id: str
    scope: str
    issuer: str
    expires_on: date | None
    document_ids: list[str]
    verified_at: datetime | None
    regulated: bool
    expired: bool


class DocumentOut(BaseModel):
    """A document; its content is behind ``/applications/{id}/documents/{document_id}``."""

    id: str
    kind: DocumentKind
    name: str
    media_type: MediaType
    size: int
    created_at: datetime


class TargetOut(BaseModel):
    """A target of probation; ``value`` and ``met`` are null until a week was evaluated."""

    target: str
    needed: float
    value: float | None
    met: bool | None


class WeekOut(BaseModel):
    """One evaluated week of probation."""

    period: int
    week: int
    starts_at: datetime
    ends_at: datetime
    figures: Figures


class ProbationOut(BaseModel):
    """Probation so far. ``recommendation`` is computed at its end; staff confirm it."""

    starts_at: datetime
    ends_at: datetime
    posts_a_week: int
    ratings: int
    ratings_needed: int
    evaluations: list[WeekOut]
    targets: list[TargetOut]
    recommendation: ProbationDecision | None


class StatusOut(BaseModel):
    """Where an application stands: who must act, by when, and what happens if nobody does.

    All instants are of the application's own clock; ``now`` is what that shows.
    """

    id: str
    status: Status
    stage: Stage
    waiting_on: WaitingOn
    waiting_since: datetime | None
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    if_nothing_happens_text: str
    round: int
    ballot_id: str | None
    now: datetime | None = None


class PersonOut(BaseModel):
    """Somebody, as people of the community know them."""

    id: str
    display_name: str


class StaffView(BaseModel):
    """What only staff see of an application."""

    flags: list[Flag]
    claimed_by: str | None
    escalated: bool
    policy_version: int | None
    revision: int


class ApplicationOut(StatusOut):
    """A whole application. ``staff`` is null for the applicant, ``missing`` empty once it is complete."""

    now: datetime
    applicant: PersonOut
    headline: str
    bio: str
    statement: str
    tags: list[str]
    links: list[str]
    claims: list[ClaimOut]
    documents: list[DocumentOut]
    edit_version: int
    editable: bool
    missing: list[Missing]
    reasons: list[ReasonCode]
    probation: ProbationOut | None
    appeal_until: datetime | None
    reapply_after: datetime | None
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    ended_at: datetime | None
    staff: StaffView | None


class ApplicationSummary(BaseModel):
    """An application in a list."""

    id: str
    applicant: PersonOut
    headline: str
    status: Status
    stage: Stage
    waiting_on: WaitingOn
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    created_at: datetime
    submitted_at: datetime | None
    ended_at: datetime | None


class EntryOut(BaseModel):
    """A line of the timeline: what happened, when and why.

    ``actor`` is what the person was in it: ``applicant``, ``reviewer``, or ``process`` for what
    happened by itself. The name is for staff only.
    """

    seq: int
    at: datetime
    code: str
    actor: str
    actor_name: str | None
    detail: dict[str, Any]
    note: str | None


class TimelineOut(BaseModel):
    """The whole timeline, oldest first."""

    items: list[EntryOut]
