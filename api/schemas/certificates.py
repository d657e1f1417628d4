"""Certificates in JSON."""

from datetime import date, datetime

from pydantic import BaseModel

from api.inputs import Input


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
