"""Alarms that ring late: after an outage of all workers nobody is reminded of the same thing many times.

A reminder that something later has overtaken is passed over, and one that repeats goes on with the first of
its instants still to come. What changes the state (an escalation, a count, an expiry) always rings.
"""

from datetime import datetime, timedelta

from domain.vetting.state import Alarm, AlarmKind, VettingState

_OVERTAKEN_BY = {
    AlarmKind.REVIEW_REMINDER: {AlarmKind.REVIEW_ESCALATION},
    AlarmKind.CHANGES_REMINDER: {AlarmKind.CHANGES_REMINDER, AlarmKind.CHANGES_EXPIRY},
    AlarmKind.BALLOT_REMINDER: {AlarmKind.BALLOT_CLOSES},
    AlarmKind.MIDTERM: {AlarmKind.PROBATION_ENDS},
    AlarmKind.DECISION_REMINDER: {AlarmKind.DECISION_ESCALATION},
    AlarmKind.APPEAL_REMINDER: {AlarmKind.APPEAL_OVERDUE},
}
_REPEATING = frozenset({AlarmKind.LEAD_REMINDER, AlarmKind.DECISION_ESCALATION, AlarmKind.APPEAL_OVERDUE})


def overtaken(state: VettingState, alarm: Alarm, now: datetime) -> bool:
    """Tell whether a reminder rings so late that what it reminds of, or the next reminder, is due as well."""
    later = _OVERTAKEN_BY.get(alarm.kind, set())
    return any(other.kind in later and alarm.at < other.at <= now for other in state.alarms)


def pass_over_missed(state: VettingState, rung: Alarm, now: datetime) -> None:
    """Move the repetition that ``rung`` has set to the first of its instants after ``now``."""
    state.alarms = tuple(_next(alarm, rung, now) for alarm in state.alarms)


def _next(alarm: Alarm, rung: Alarm, now: datetime) -> Alarm:
    if alarm.kind not in _REPEATING or alarm.number != rung.number + 1 or not rung.at < alarm.at <= now:
        return alarm
    return alarm.model_copy(update={"at": first_after(now, alarm.at, alarm.at - rung.at)})


def first_after(now: datetime, at: datetime, apart: timedelta) -> datetime:
    """Return the first of ``at``, ``at + apart``, and so on, that lies after ``now``."""
    missed = max(0, (now - at) // apart + 1)
    return at + missed * apart
