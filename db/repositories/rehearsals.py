"""Rehearsals as they are stored: who writes too late, or for a try that is over, changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from contracts.rehearsals import ACTIVE, PATIENCE, RehearsalFailure, RehearsalStatus, Script
from db.statements import insert_ignore
from db.tables.campaigns import campaigns
from db.tables.rehearsals import rehearsals
from domain.campaigns.forecast import Forecast
from domain.campaigns.rehearsal import Temperament

KEPT: Final = timedelta(days=30)
_C = rehearsals.c
_ACTIVE = [status.value for status in ACTIVE]
_COUNTED: Final = {"preserve_rowcount": True}


def ask(
    conn: Connection,
    rehearsal_id: str,
    campaign_id: str,
    asked_by: str,
    script: Script,
    temperament: Temperament,
    now: datetime,
) -> bool:
    """Write what is to be rehearsed; the same id is written once.

    False if another rehearsal of the campaign is under way. ``now``: wall clock (UTC).
    """
    _lapse(conn, now, campaign_id)
    row = {
        "id": rehearsal_id,
        "campaign_id": campaign_id,
        "asked_by": asked_by,
        "asked_at": now,
        "script": script.model_dump(mode="json"),
        "temperament": temperament.value,
        "deadline_at": now + PATIENCE,
        "expires_at": now + KEPT,
    }
    insert_ignore(conn, rehearsals, [row])
    return get(conn, rehearsal_id) is not None


def _lapse(conn: Connection, now: datetime, campaign_id: str | None = None) -> None:
    """Give up what has not ended in time: its process is gone."""
    late = update(rehearsals).where(_C.status.in_(_ACTIVE), _C.deadline_at <= now)
    if campaign_id is not None:
        late = late.where(_C.campaign_id == campaign_id)
    values = {"status": RehearsalStatus.FAILED.value, "failure": RehearsalFailure.BROKE_OFF.value}
    conn.execute(late.values(**values, ended_at=now))


def withdraw(conn: Connection, rehearsal_id: str) -> None:
    """Take back one that could not be handed to its process."""
    conn.execute(delete(rehearsals).where(_C.id == rehearsal_id, _C.status == RehearsalStatus.QUEUED.value))


def get(conn: Connection, rehearsal_id: str) -> Row[Any] | None:
    """Return a rehearsal with its campaign's title and present plan (``title``, ``current_plan``)."""
    return conn.execute(
        select(rehearsals, campaigns.c.title, campaigns.c.plan.label("current_plan"))
        .join(campaigns, campaigns.c.id == _C.campaign_id)
        .where(_C.id == rehearsal_id)
    ).one_or_none()


def pulse(conn: Connection, rehearsal_id: str) -> tuple[Any, ...] | None:
    """Return what changes as a rehearsal goes on, None for none."""
    found = select(_C.status, _C.attempt, _C.day).where(_C.id == rehearsal_id)
    row = conn.execute(found).one_or_none()
    return None if row is None else tuple(row)


def leader_of(conn: Connection, rehearsal_id: str) -> str | None:
    """Return who leads the campaign of a rehearsal, None if there is none of that id."""
    found = (
        select(campaigns.c.leader_id)
        .join(rehearsals, rehearsals.c.campaign_id == campaigns.c.id)
        .where(_C.id == rehearsal_id)
    )
    return conn.execute(found).scalar_one_or_none()


def listed(
    conn: Connection, campaign_id: str, *, before: datetime | None = None, limit: int = 50
) -> Sequence[Row[Any]]:
    """Return the rehearsals of a campaign, newest first, of those asked for before the instant ``before``."""
    found = select(rehearsals).where(_C.campaign_id == campaign_id)
    if before is not None:
        found = found.where(_C.asked_at < before)
    return conn.execute(found.order_by(_C.asked_at.desc()).limit(limit)).all()


def begin(conn: Connection, rehearsal_id: str, attempt: int, now: datetime) -> Script | None:
    """Begin a try and return the script; None for one that is over, or whose later try has begun."""
    begun = conn.execute(
        update(rehearsals)
        .where(_C.id == rehearsal_id, _C.status.in_(_ACTIVE), _C.attempt <= attempt)
        .values(status=RehearsalStatus.RUNNING.value, attempt=attempt, day=0, started_at=now),
        execution_options=_COUNTED,
    )
    if begun.rowcount == 0:
        return None
    found = conn.execute(select(_C.script).where(_C.id == rehearsal_id)).scalar_one()
    return Script.model_validate(found)


def _of_try(rehearsal_id: str, attempt: int) -> Any:
    return update(rehearsals).where(
        _C.id == rehearsal_id, _C.status == RehearsalStatus.RUNNING.value, _C.attempt == attempt
    )


def reach(conn: Connection, rehearsal_id: str, attempt: int, day: int) -> bool:
    """Note the day that a try has reached; False if it has nothing to go on for."""
    noted = conn.execute(_of_try(rehearsal_id, attempt).values(day=day), execution_options=_COUNTED)
    return noted.rowcount == 1


def finish(conn: Connection, rehearsal_id: str, attempt: int, forecast: Forecast, now: datetime) -> bool:
    """Write the forecast; False if nobody waits for it any more."""
    values = {"status": RehearsalStatus.DONE.value, "forecast": forecast.model_dump(mode="json")}
    done = _of_try(rehearsal_id, attempt).values(**values, day=forecast.plan.length_days, ended_at=now)
    return conn.execute(done, execution_options=_COUNTED).rowcount == 1


def fail(conn: Connection, rehearsal_id: str, failure: RehearsalFailure, now: datetime) -> bool:
    """Write why there is no forecast; False for one that is over."""
    return _end(conn, rehearsal_id, now, status=RehearsalStatus.FAILED.value, failure=failure.value)


def cancel(conn: Connection, rehearsal_id: str, now: datetime) -> bool:
    """Cancel a rehearsal, which stops when it next tells how far it is; False for one that is over."""
    return _end(conn, rehearsal_id, now, status=RehearsalStatus.CANCELLED.value)


def _end(conn: Connection, rehearsal_id: str, now: datetime, **values: Any) -> bool:
    own = update(rehearsals).where(_C.id == rehearsal_id, _C.status.in_(_ACTIVE))
    return conn.execute(own.values(**values, ended_at=now), execution_options=_COUNTED).rowcount == 1


def prune(conn: Connection, now: datetime) -> None:
    """Give up what is overdue and delete what is old."""
    _lapse(conn, now)
    conn.execute(delete(rehearsals).where(_C.expires_at <= now))
