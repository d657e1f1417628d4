"""Certificates and certifications in JSON."""

from datetime import date, datetime

from pydantic import BaseModel

from api.inputs import Input
from domain.vetting import ReasonCode, Status
from domain.vetting.standing import Standing


class CertificateOut(BaseModel):
    """Who completed which campaign, when, and on how many of its days; ``url`` is the page that proves it."""

    code: str
    url: str
    name: str
    campaign_id: str
    title: str
    leader: str
    first_day: date
    last_day: date
    length_days: int
    days_done: int
    issued_at: datetime
    hidden: bool


class CertificatesOut(BaseModel):
    """My certificates, newest first."""

    items: list[CertificateOut]


class CertificateChanges(Input):
    """Whether others may see it."""

    hidden: bool


class TopicOut(BaseModel):
    """A topic that was verified: until when, and whether its credential holds today."""

    scope: str
    expires_on: date | None
    holds: bool


class CertificationOut(BaseModel):
    """A time as provisional or certified leader; ``until`` is null while it lasts.

    ``planned_until`` is when a probation that lasts is over. ``ended_by`` and ``reasons`` say why it ended.
    """

    standing: Standing
    application_id: str
    headline: str
    since: datetime
    until: datetime | None
    planned_until: datetime | None
    ended_by: Status | None
    reasons: list[ReasonCode]
    tier: str | None
    topics: list[TopicOut]


class CertificationsOut(BaseModel):
    """My certifications, newest first."""

    items: list[CertificationOut]
