"""What a member has to do today, in all the campaigns that they take part in."""

from typing import Any, Final

from sqlalchemy import Connection

from api.schemas.enrolments import MyCampaignOut, MyCampaignsOut, NextStep
from api.services.vetting import process_now
from db.repositories import my_campaigns
from db.repositories.check_in_records import rules_of
from domain.campaigns.members import Place
from domain.campaigns.streaks import alive
from domain.campaigns.terms import Status, gives_places

MOST: Final = 12
"""More at once than anybody keeps up with."""


def mine(conn: Connection, person_id: str) -> MyCampaignsOut:
    """Return the campaigns that are not over, what is to be done first in front."""
    rows = my_campaigns.under_way(conn, person_id, MOST)
    found = [_told(conn, row) for row in rows if not _waits_in_vain(conn, row)]
    return MyCampaignsOut(items=sorted(found, key=lambda one: one.next_step is not NextStep.CHECK_IN))


def _waits_in_vain(conn: Connection, row: Any) -> bool:
    """Tell whether a member is still in line where no place is given away any more; a letter said so."""
    last_day = rules_of(conn, row).plan.last_joining_day
    return row.place == Place.WAITING and not gives_places(Status(row.status), row.day, last_day)


def _told(conn: Connection, row: Any) -> MyCampaignOut:
    rest = rules_of(conn, row).rest
    return MyCampaignOut(
        id=row.id,
        title=row.title,
        status=row.status,
        place=row.place,
        next_step=_next_step(row, rest),
        day=row.day,
        length_days=row.length_days or row.plan["length_days"],
        starts_at=row.starts_at,
        closes_at=row.day_closes_at,
        now=process_now(row),
        streak=alive(row.streak_so_far, row.last_day_done, row.day, rest),
        friends=row.friends,
    )


def _next_step(row: Any, rest: frozenset[int]) -> NextStep:
    if row.place == Place.WAITING:
        return NextStep.WAIT_FOR_A_PLACE
    if row.status == Status.RUNNING and row.day:
        if row.done_on is not None:
            return NextStep.DONE_TODAY
        return NextStep.REST_TODAY if row.day in rest else NextStep.CHECK_IN
    if row.status == Status.PAUSED:
        return NextStep.WAIT_FOR_RESUMING
    if row.status == Status.SETTLING:
        return NextStep.WAIT_FOR_POINTS
    return NextStep.WAIT_FOR_THE_START
