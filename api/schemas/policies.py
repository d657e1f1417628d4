"""The vetting policy in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.inputs import Input, PlainText
from domain.policy import VettingPolicy


class PolicyOut(BaseModel):
    """A version of the policy; one that is running takes none but the version it began with."""

    version: int
    body: VettingPolicy
    created_at: datetime
    created_by: str | None
    note: str


class PolicyVersionsOut(BaseModel):
    """All versions, newest first."""

    items: list[PolicyOut]


class PolicyIn(Input):
    """A new version, written on top of ``expected_version``; ``note`` says why."""

    expected_version: Annotated[int, Field(ge=1, le=2_147_483_646)]
    body: VettingPolicy
    note: Annotated[PlainText, Field(min_length=1, max_length=2_000)]
