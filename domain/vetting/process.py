"""One application's process as a whole: which module answers an alarm, and where an appeal leads back to."""

from datetime import datetime

from domain.mail import MailTemplate
from domain.process import Refused
from domain.vetting import ends, lateness, review, trial, vote
from domain.vetting.state import Alarm, AlarmKind, Audience, Effects, VettingState
from domain.vetting.terms import AppealDecision, Refusal, Status

_ANSWERS = {
    AlarmKind.REVIEW_REMINDER: review.ring,
    AlarmKind.REVIEW_ESCALATION: review.ring,
    AlarmKind.LEAD_REMINDER: review.ring,
    AlarmKind.CHANGES_REMINDER: review.ring,
    AlarmKind.CHANGES_EXPIRY: review.ring,
    AlarmKind.BALLOT_REMINDER: vote.ring,
    AlarmKind.BALLOT_CLOSES: vote.ring,
    AlarmKind.WEEK_ENDS: trial.ring,
    AlarmKind.MIDTERM: trial.ring,
    AlarmKind.PROBATION_ENDS: trial.ring,
    AlarmKind.DECISION_REMINDER: trial.ring,
    AlarmKind.DECISION_ESCALATION: trial.ring,
    AlarmKind.APPEAL_WINDOW_ENDS: ends.ring,
    AlarmKind.APPEAL_REMINDER: ends.ring,
    AlarmKind.APPEAL_OVERDUE: ends.ring,
}


def ring(state: VettingState, alarm: Alarm, now: datetime, *, late: bool = False) -> Effects:
    """Act on ``alarm``; refused if the state has moved on and dropped it meanwhile.

    One that rings ``late`` reminds nobody of what is past already.
    """
    if alarm not in state.alarms:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    if late and lateness.overtaken(state, alarm, now):
        state.drop(alarm)
        return Effects()
    effects = _ANSWERS[alarm.kind](state, alarm, now)
    if late:
        lateness.pass_over_missed(state, alarm, now)
    return effects


def decide_appeal(
    state: VettingState, actor_id: str, decision: AppealDecision, note_id: str | None, now: datetime
) -> Effects:
    """Uphold the loss, or overturn it and lead back to the stage where it was lost.

    A lost review gets a fresh round, a lost vote a fresh ballot, a failed probation one more span of
    the extension's length.
    """
    if decision is AppealDecision.UPHOLD:
        return ends.uphold(state, actor_id, note_id, now)
    ends.require_appeal_judge(state, actor_id)
    effects = Effects()
    back_to = state.lost_in
    state.reasons, state.ended_at, state.reapply_after, state.appeal_until = (), None, None, None
    state.decided_by = tuple(dict.fromkeys((*state.decided_by, actor_id)))
    state.note(
        effects, now, "appeal_overturned", actor_id, note_id, back_to=back_to.value if back_to else None
    )
    effects.mail(
        MailTemplate.APPEAL_OVERTURNED,
        Audience.APPLICANT,
        back_to=back_to.value if back_to else None,
        note_id=note_id,
    )
    if back_to is Status.MEMBER_VOTE:
        vote.begin(state, now)
    elif back_to is Status.PROBATION:
        trial.begin_again(state, effects, now, appealed=True)
    else:
        review.begin_round(state, effects, now)
    return effects
