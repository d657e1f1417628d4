"""Policies in JSON."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

from api.inputs import Input, PlainText
from domain.campaigns.policy import CampaignPolicy
from domain.policy import VettingPolicy

P = TypeVar("P", bound=BaseModel)


class VersionOut(BaseModel, Generic[P]):
    """A version of a policy; a process that is under way takes none but the version it began with."""

    version: int
    body: P
    created_at: datetime
    created_by: str | None
    note: str


class VersionsOut(BaseModel, Generic[P]):
    """All versions, newest first."""

    items: list[VersionOut[P]]


class VersionIn(Input, Generic[P]):
    """A new version, written on top of ``expected_version``; ``note`` says why."""

    expected_version: Annotated[int, Field(ge=1, le=2_147_483_646)]
    body: P
    note: Annotated[PlainText, Field(min_length=1, max_length=2_000)]


class PolicyOut(VersionOut[VettingPolicy]):
    """A version of the vetting policy."""


class PolicyVersionsOut(VersionsOut[VettingPolicy]):
    """All versions of the vetting policy."""


class PolicyIn(VersionIn[VettingPolicy]):
    """A new version of the vetting policy."""


class CampaignPolicyOut(VersionOut[CampaignPolicy]):
    """A version of the policy of campaigns."""


class CampaignPolicyVersionsOut(VersionsOut[CampaignPolicy]):
    """All versions of the policy of campaigns."""


class CampaignPolicyIn(VersionIn[CampaignPolicy]):
    """A new version of the policy of campaigns."""
