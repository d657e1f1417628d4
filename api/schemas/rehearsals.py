"""Rehearsals in JSON: what is asked for, how far one has come, the forecast with what it assumes."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.inputs import Input
from contracts.rehearsals import RehearsalFailure, RehearsalStatus
from domain.campaigns.forecast import Warn
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rehearsal import FEWEST, MOST, Behaviour, Temperament

DEFAULT_PARTICIPANTS = 200
MOST_SEED = 2**31 - 1


class RehearseIn(Input):
    """What to rehearse; ``behaviour`` changes single numbers of the temperament's.

    The same plan with the same seed gives the same forecast.
    """

    participants: Annotated[int, Field(ge=FEWEST, le=MOST)] = DEFAULT_PARTICIPANTS
    temperament: Temperament = Temperament.TYPICAL
    behaviour: Behaviour | None = None
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 1


class ForecastDayOut(BaseModel):
    """One day as simulated; ``earned`` and ``invited`` count up to its end."""

    day: int
    on: date
    members: int
    checked_in: int
    made_up: int
    earned: int
    invited: int
    mails: dict[str, int]


class PaidForecastOut(BaseModel):
    """Points paid as simulated, by what for; ``reserved`` is what the approval would set aside."""

    reserved: int
    check_in: int
    streak: int
    completion: int
    rank: int
    invitation: int
    total: int


class FindingOut(BaseModel):
    """Something to look at before the campaign is handed in."""

    code: Warn
    text: str


class ForecastOut(BaseModel):
    """What the rehearsal says will happen. Whatever ends in ``_when_full`` is scaled up to all seats."""

    participants: int
    seed: int
    behaviour: Behaviour
    assumptions: list[str]
    findings: list[FindingOut]
    scale: float
    members: int
    left: int
    turned_away: int
    started: int
    completed: int
    completion: float
    retention: float
    check_ins: int
    make_ups: int
    invited: int
    activated: int
    doubtful: int
    k_factor: float
    liability: int
    paid: PaidForecastOut
    paid_when_full: int
    mails: int
    mails_when_full: int
    mails_a_member_and_day: float
    mails_to_members: dict[str, int]
    mails_to_others: dict[str, int]
    refused: dict[str, int]
    let_through: int
    days: list[ForecastDayOut]


class RehearsalSummary(BaseModel):
    """A rehearsal in a list; ``day`` of ``length_days`` is how far it has come."""

    id: str
    campaign_id: str
    status: RehearsalStatus
    temperament: Temperament
    participants: int
    seed: int
    day: int
    length_days: int
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    failure: RehearsalFailure | None
    failure_text: str | None
    completion: float | None
    paid_when_full: int | None


class RehearsalOut(RehearsalSummary):
    """A whole rehearsal; ``plan_changed`` says that the campaign's plan is another by now."""

    plan: CampaignPlan
    behaviour: Behaviour
    plan_changed: bool
    forecast: ForecastOut | None
