"""Contributions as they come in, from a file or over the API, and what became of each."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.contributions import ContributionKind
from domain.dates import Instant
from domain.people import has_control_characters

MAX_BATCH: Final = 1_000
"""Rows that one call may carry."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


def _printable(value: str) -> str:
    if has_control_characters(value):
        raise PydanticCustomError("control_characters", "line breaks and control characters are not allowed")
    if value != value.strip():
        raise PydanticCustomError("outer_spaces", "must not begin or end with a space")
    return value


def _plausible(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise PydanticCustomError("instant_implausible", "must lie between the years 2000 and 2100")
    return value


Source = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Reference = Annotated[str, Field(min_length=1, max_length=160), AfterValidator(_printable)]


class ContributionIn(BaseModel):
    """One thing that somebody did where the community lives, named once by ``source`` and ``reference``.

    It concerns one person, given by ``person_id`` or by ``email``: the author of a post, a share, a
    read or an answer; who was asked, rated or reported. ``actor_reference`` names who asked, rated or
    reported, by mail address, by person id, or as the source does; one rater keeps one name.
    An answer names its question (``answers_reference``, in the same source) or says how long it
    took (``hours_to_answer``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    reference: Reference
    kind: ContributionKind
    person_id: Annotated[str, Field(min_length=1, max_length=36), AfterValidator(_printable)] | None = None
    email: Annotated[str, Field(min_length=3, max_length=320), AfterValidator(_printable)] | None = None
    actor_reference: Reference | None = None
    answers_reference: Reference | None = None
    hours_to_answer: float | None = Field(None, ge=0, le=10_000, allow_inf_nan=False)
    stars: int | None = Field(None, ge=1, le=5)
    occurred_at: Annotated[Instant, AfterValidator(_plausible)]

    @model_validator(mode="after")
    def _one_person(self) -> Self:
        if (self.person_id is None) == (self.email is None):
            raise PydanticCustomError("one_person", "give either person_id or email")
        return self

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind is ContributionKind.RATING:
            if self.stars is None or self.actor_reference is None:
                raise PydanticCustomError("rating_incomplete", "a rating needs stars and actor_reference")
        elif self.stars is not None:
            raise PydanticCustomError("stars_elsewhere", "only a rating has stars")
        if self.kind is ContributionKind.ANSWER:
            if self.answers_reference is None and self.hours_to_answer is None:
                raise PydanticCustomError(
                    "answer_incomplete", "an answer needs answers_reference or hours_to_answer"
                )
        elif self.answers_reference is not None or self.hours_to_answer is not None:
            raise PydanticCustomError(
                "answer_elsewhere", "only an answer has answers_reference and hours_to_answer"
            )
        return self


class RowOutcome(StrEnum):
    """What became of one row of a batch."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNKNOWN_PERSON = "unknown_person"
    IN_FUTURE = "in_future"
