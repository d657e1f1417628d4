"""What members have done in a campaign, and the rules that it is judged by."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from contracts.base import campaign_process_id
from db.repositories import processes
from db.tables.campaigns import campaigns, check_ins
from domain.campaigns.calendar import Shift, rest_days
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.streaks import standing


class Kind(StrEnum):
    """How a day was checked in: on the day itself, or later with a card."""

    DAY = "day"
    MAKE_UP = "make_up"


class Rules(NamedTuple):
    """What a campaign's check-ins are judged by: its plan, and the days that ask nothing of anybody."""

    plan: CampaignPlan
    rest: frozenset[int]


# A plan changes with the revision only, and amnesties are only ever added.
_KNOWN: dict[str, tuple[tuple[int, int], Rules]] = {}
_MOST_KNOWN = 512


def rules_of(conn: Connection, row: Any) -> Rules:
    """Return the rules of the campaign whose ``row`` has id, revision and amnesties."""
    version = (row.revision, len(row.amnesties))
    known = _KNOWN.get(row.id)
    if known is not None and known[0] == version:
        return known[1]
    plan = CampaignPlan.model_validate(
        conn.execute(select(campaigns.c.plan).where(campaigns.c.id == row.id)).scalar_one()
    )
    rules = Rules(plan, rest_days(plan, plan.length_days, shifts_of(conn, row.id)) | amnestied(row))
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[row.id] = (version, rules)
    return rules


def shifts_of(conn: Connection, campaign_id: str) -> tuple[Shift, ...]:
    """Return the pauses that moved a campaign's days."""
    reached = processes.reached(conn, campaign_process_id(campaign_id))
    return tuple(Shift.model_validate(one) for one in reached.state.get("shifts", ())) if reached else ()


def amnestied(row: Any) -> frozenset[int]:
    """Return the days of a campaign's row on which an outage let everybody rest."""
    return frozenset(day for batch in row.amnesties for day in batch["days"])


def recounted(done: Collection[int], day: int, rules: Rules, first_day: int) -> dict[str, int]:
    """Return the counters of a member from nothing but the days done, with all days before ``day`` closed.

    The day before may still be being closed for everybody: whoever is counted here is left out of that.
    """
    found = standing(frozenset(done), day, rules.rest, first_day)
    return {
        "days_done": found.days_done,
        "last_day": found.last_day,
        "streak": found.streak,
        "best_streak": found.best_streak,
        "missed": found.required - found.required_done,
        "missed_in_a_row": found.missed_in_a_row,
        "closed_through": max(day - 1, 0),
    }


def of_day(conn: Connection, campaign_id: str, day: int, person_id: str) -> Row[Any] | None:
    """Return a member's check-in for a day, None if there is none."""
    found = select(check_ins).where(
        check_ins.c.campaign_id == campaign_id, check_ins.c.day == day, check_ins.c.person_id == person_id
    )
    return conn.execute(found).one_or_none()


def record_of(conn: Connection, campaign_id: str, person_id: str) -> dict[int, Kind]:
    """Return the days that a member has checked in, and how each was."""
    found = select(check_ins.c.day, check_ins.c.kind).where(
        check_ins.c.campaign_id == campaign_id, check_ins.c.person_id == person_id
    )
    return {row.day: Kind(row.kind) for row in conn.execute(found)}


def done_days(conn: Connection, campaign_id: str, person_id: str) -> frozenset[int]:
    """Return the days that a member has checked in, made up ones included."""
    return frozenset(record_of(conn, campaign_id, person_id))
