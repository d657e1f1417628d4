"""Taking part in a campaign: enrolling, leaving, the hour of the reminder."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.problems import Problem
from api.schemas.enrolments import EnrolIn, EnrolmentOut
from api.services import invitations
from api.services.invitation_clicks import NOTHING_FOLLOWED, Followed
from api.services.reminder_hours import reminder_hours
from db.repositories import campaigns, enrolments, share_visits
from db.repositories.enrolments import Entry, Newcomer

_STANDS = frozenset({Entry.ENROLLED, Entry.WAITING, Entry.UNCHANGED, Entry.LEFT})


def enrol(
    conn: Connection,
    campaign_id: str,
    person_id: str,
    given: EnrolIn,
    now: datetime,
    shown: Followed = NOTHING_FOLLOWED,
) -> tuple[EnrolmentOut, bool]:
    """Enrol in the caller's transaction; return the enrolment and whether it is new. Raises ``Problem``.

    ``shown`` are the invitations and shared notes that the request's browser followed before.
    """
    known = enrolments.get(conn, campaign_id, person_id) is not None
    invitation = invitations.behind(conn, campaign_id, person_id, given.invite_code, shown, now)
    outcome = enrolments.enrol(
        conn,
        Newcomer(
            campaign_id,
            person_id,
            invited=invitation is not None,
            invited_by=invitation.by.inviter_id if invitation else None,
            new_member=invitation is not None and invitation.by.new_member and not invitation.doubts,
            reminder_hour=given.reminder_hour,
        ),
        now,
    )
    _require(outcome)
    _require_offered(conn, campaign_id, given.reminder_hour)
    if outcome in {Entry.ENROLLED, Entry.WAITING} and not known:
        share_visits.joined(conn, campaign_id, person_id, shown.shares, now)
    if invitation is not None and outcome in {Entry.ENROLLED, Entry.WAITING}:
        invitations.joined(conn, campaign_id, person_id, invitation, shown, now)
    return own(conn, campaign_id, person_id), outcome is not Entry.UNCHANGED


def leave(conn: Connection, campaign_id: str, person_id: str, now: datetime) -> None:
    """Leave in the caller's transaction; who has left already stays so. Raises ``Problem``."""
    _require(enrolments.leave(conn, campaign_id, person_id, now))


def _require(outcome: Entry) -> None:
    if outcome not in _STANDS:
        raise Problem(outcome.value)


def set_reminder_hour(conn: Connection, campaign_id: str, person_id: str, hour: int | None) -> EnrolmentOut:
    """Set the local hour (one that the campaign offers, None: never) of the reminder. Raises ``Problem``."""
    if not enrolments.set_reminder_hour(conn, campaign_id, person_id, hour):
        raise Problem("not_enrolled")
    _require_offered(conn, campaign_id, hour)
    return own(conn, campaign_id, person_id)


def _require_offered(conn: Connection, campaign_id: str, hour: int | None) -> None:
    """Refuse an hour at which nobody is reminded; nothing of the request stands then. Raises ``Problem``."""
    row = None if hour is None else campaigns.get(conn, campaign_id)
    if row is not None and hour not in (offered := reminder_hours(conn, row)):
        raise Problem("reminder_hour_not_offered", hours=", ".join(map(str, offered)))


def own(conn: Connection, campaign_id: str, person_id: str) -> EnrolmentOut:
    """Read somebody's enrolment. Raises ``Problem`` for who never enrolled."""
    row: Any = enrolments.get(conn, campaign_id, person_id)
    if row is None:
        raise Problem("not_enrolled")
    return EnrolmentOut(
        campaign_id=campaign_id,
        status=row.status,
        first_day=row.first_day,
        reminder_hour=row.reminder_hour,
        place_in_line=enrolments.place_in_line(conn, row),
        enrolled_at=row.enrolled_at,
    )
