"""Points and the pool in JSON; amounts are whole points."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.inputs import Input, OneLine, PlainText
from domain.points import Amount, PaymentReason, Source, TransferKind


class CampaignName(BaseModel):
    """A campaign as an entry names it; ``title`` is null where it is gone."""

    id: str
    title: str | None


class EntryOut(BaseModel):
    """A transfer as it changed one's own accounts; one that was reversed is named by ``reverses``."""

    id: str
    kind: TransferKind
    reason: PaymentReason | None
    campaign: CampaignName
    available: int
    pending: int
    reverses: str | None
    happened_at: datetime


class MyPoints(BaseModel):
    """What I can spend, what still waits, and where it came from, newest first."""

    available: int
    pending: int
    entries: list[EntryOut]
    next_cursor: str | None = None


class PromiseOut(BaseModel):
    """What one campaign can still pay."""

    campaign: CampaignName
    amount: int


class PoolDayOut(BaseModel):
    """The pool at the end of a day (UTC): all that ever came in, by source, is promised, paid or left."""

    day: date
    came_in: int
    promised: int
    paid: int
    left: int
    by_source: dict[Source, int]


class PoolOut(BaseModel):
    """The pool now; the largest promises by campaign; a year of days."""

    left: int
    promised: int
    paid: int
    came_in: int
    by_source: dict[Source, int]
    promises: list[PromiseOut]
    days: list[PoolDayOut]


class DepositIn(Input):
    """Points that come in; ``reference`` names the sponsor or the course."""

    amount: Amount
    source: Source
    reference: Annotated[OneLine, Field(min_length=1, max_length=160)]
    note: Annotated[PlainText, Field(max_length=2_000)] | None = None


class ReversalIn(Input):
    """Why a transfer is undone."""

    note: Annotated[PlainText, Field(min_length=1, max_length=2_000)]


class DepositOut(BaseModel):
    """A deposit, or the reversal of one, whose amount is negative."""

    id: str
    kind: TransferKind
    amount: int
    source: Source | None
    reference: str
    note: str | None
    by: str | None
    reverses: str | None
    reversed_by: str | None
    happened_at: datetime


class TransferOut(BaseModel):
    """The transfer that was booked."""

    id: str
