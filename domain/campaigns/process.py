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


def ring(state: CampaignState, alarm: Alarm, now: datetime) -> Effects:
    """Act on ``alarm``; refused if the state has moved on and dropped it meanwhile."""
    answers = review.ring if alarm.kind in _APPROVAL else run.ring
    return answers(state, alarm, now)
