"""One campaign's process as a whole: which module answers an alarm."""

from datetime import datetime

from domain.campaigns import review, run
from domain.campaigns.state import Alarm, AlarmKind, CampaignState, Effects

_APPROVAL = frozenset(
    {
        AlarmKind.REVIEW_REMINDER,
        AlarmKind.START_MISSED,
        AlarmKind.CHANGES_EXPIRY,
        AlarmKind.ENROLMENT_OPENS,
    }
)


def ring(state: CampaignState, alarm: Alarm, now: datetime, *, vain_told: bool = True) -> Effects:
    """Act on ``alarm``; refused if the state has moved on and dropped it meanwhile."""
    if alarm.kind in _APPROVAL:
        return review.ring(state, alarm, now)
    return run.ring(state, alarm, now, vain_told=vain_told)
