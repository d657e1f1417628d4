"""Templates of campaigns in JSON: a plan without its first day, and the texts in every language."""

from datetime import date, datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from api.inputs import Input, PlainText
from api.schemas.campaigns import Summary, Title
from domain.campaigns.plan import CampaignPlan
from domain.dates import Day
from domain.people import LOCALES

ANY_DAY: Final = date(2026, 1, 1)
TemplateText = Annotated[PlainText, Field(min_length=1, max_length=5_000)]


class TemplatePlan(CampaignPlan):
    """Everything of a plan but its first day, which each campaign has of its own."""

    starts_on: Day = Field(ANY_DAY, exclude=True)


class TemplateWords(Input):
    """What a campaign of this template begins with, in one language."""

    title: Title
    summary: Summary
    description: TemplateText
    task: TemplateText


class TemplateIn(Input):
    """A version of a template; one that is retired is not offered any more. ``note`` says why it changes."""

    texts: Annotated[dict[str, TemplateWords], Field(max_length=len(LOCALES))]
    plan: TemplatePlan
    retired: bool = False
    note: Annotated[PlainText, Field(max_length=2_000)] = ""

    @field_validator("texts")
    @classmethod
    def _every_language(cls, texts: dict[str, TemplateWords]) -> dict[str, TemplateWords]:
        if set(texts) != set(LOCALES):
            raise PydanticCustomError("languages", "must have a text in each language")
        return texts


class TemplateOut(BaseModel):
    """A template as it stands; ``version`` 0 is as shipped, ``liability`` the most it can pay (points)."""

    code: str
    version: int
    shipped: bool
    retired: bool
    texts: dict[str, TemplateWords]
    plan: TemplatePlan
    liability: int
    warnings: list[str]


class TemplatesOut(BaseModel):
    """Templates: first those that are shipped, then those that staff have added."""

    items: list[TemplateOut]


class TemplateVersionOut(BaseModel):
    """Who wrote a version of a template, when and why."""

    version: int
    created_at: datetime
    author: str | None
    note: str
    retired: bool


class TemplateVersionsOut(BaseModel):
    """Versions, newest first."""

    items: list[TemplateVersionOut]
