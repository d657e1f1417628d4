"""Amnesties of campaigns in JSON."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input
from api.schemas.applications import PersonOut
from api.schemas.campaigns import Note
from domain.campaigns.plan import MAX_DAYS

DayNumber = Annotated[int, Field(ge=1, le=MAX_DAYS)]


class AmnestyIn(Input):
    """The days of a campaign that an outage spoilt (1 is the first), and what happened."""

    days: Annotated[list[DayNumber], Field(min_length=1, max_length=31)]
    reason: Note

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.days)) != len(self.days):
            raise PydanticCustomError("days_once", "must name each day once")
        return self


class AmnestyOut(BaseModel):
    """An amnesty; ``members`` are those whose counters it changed, still rising while it is repaired."""

    number: int
    days: list[int]
    declared_by: PersonOut | None
    declared_at: datetime
    reason: str | None
    members: int


class AmnestiesOut(BaseModel):
    """The amnesties of a campaign, newest first."""

    items: list[AmnestyOut]
