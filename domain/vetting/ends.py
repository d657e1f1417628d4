"""The ways out of vetting, and the appeal that can lead back in."""

from datetime import datetime, timedelta

from domain.mail import MailTemplate
from domain.people import Role
from domain.process import Refused
from domain.vetting.state import Alarm, AlarmKind, Audience, Effects, VettingState
from domain.vetting.terms import (
    OPEN_STATUSES,
    ReasonCode,
    Refusal,
    Stage,
    Status,
    WaitingOn,
    reapply_after,
)

DAY = timedelta(days=1)


def _close(state: VettingState, now: datetime) -> None:
    state.move(Stage.CLOSED, WaitingOn.NOBODY, now)
    state.orders = ()
    state.closed = True


def _lose(state: VettingState, status: Status, reasons: tuple[ReasonCode, ...], now: datetime) -> None:
    """End in a way that may be appealed once."""
    state.lost_in, state.status, state.reasons = state.status, status, reasons
    state.ended_at = now
    state.reapply_after = reapply_after(status, now, state.policy, reasons)
    state.orders = ()
    if state.appeal_used:
        state.appeal_until = None
        _close(state, now)
        return
    until = now + state.policy.appeal.window_days * DAY
    state.appeal_until = until
    state.move(
        Stage.APPEAL_WINDOW, WaitingOn.APPLICANT, now, (Alarm(at=until, kind=AlarmKind.APPEAL_WINDOW_ENDS),)
    )


def _tell_of_loss(state: VettingState, effects: Effects, template: MailTemplate, note_id: str | None) -> None:
    effects.mail(
        template,
        Audience.APPLICANT,
        reasons=[reason.value for reason in state.reasons],
        appeal_until=state.appeal_until.isoformat() if state.appeal_until else None,
        reapply_after=state.reapply_after.isoformat() if state.reapply_after else None,
        note_id=note_id,
    )


def reject(
    state: VettingState,
    effects: Effects,
    reasons: tuple[ReasonCode, ...],
    now: datetime,
    note_id: str | None = None,
) -> None:
    """Reject with reasons that the applicant can read."""
    _lose(state, Status.REJECTED, reasons, now)
    state.note(effects, now, "rejected", reasons=[reason.value for reason in reasons])
    _tell_of_loss(state, effects, MailTemplate.APPLICATION_REJECTED, note_id)


def fail_probation(
    state: VettingState,
    effects: Effects,
    reasons: tuple[ReasonCode, ...],
    now: datetime,
    note_id: str | None = None,
) -> None:
    """End probation softly: the account stays, as an ordinary creator; leader rights end."""
    _lose(state, Status.ORDINARY_CREATOR, reasons, now)
    effects.revoke = Role.PROVISIONAL_LEADER
    state.note(effects, now, "became_ordinary_creator", reasons=[reason.value for reason in reasons])
    _tell_of_loss(state, effects, MailTemplate.PROBATION_FAILED, note_id)


def certify(state: VettingState, effects: Effects, now: datetime) -> None:
    """Certify the leader in the topics that were verified."""
    state.status, state.ended_at = Status.CERTIFIED, now
    _close(state, now)
    effects.grant, effects.revoke = Role.LEADER, Role.PROVISIONAL_LEADER
    effects.certified_claims = state.verified_claims
    state.note(effects, now, "certified", claims=list(state.verified_claims))
    effects.mail(MailTemplate.CERTIFIED, Audience.APPLICANT)


def expire(state: VettingState, effects: Effects, now: datetime) -> None:
    """End because the applicant did not answer in time: an outcome of its own, not a rejection."""
    state.status, state.ended_at = Status.EXPIRED, now
    _close(state, now)
    state.note(effects, now, "expired")
    effects.mail(MailTemplate.APPLICATION_EXPIRED, Audience.APPLICANT)


def withdraw(state: VettingState, actor_id: str, now: datetime) -> Effects:
    """End at the applicant's wish, in any stage; withdrawing an appeal lets the loss stand."""
    state.require_applicant(actor_id)
    if state.closed:
        raise Refused(Refusal.NOT_OPEN)
    effects = Effects()
    if state.stage is Stage.APPEAL_REVIEW:
        _close(state, now)
        state.note(effects, now, "appeal_withdrawn", actor_id)
        again = _again_after(state, now)
        effects.mail(
            MailTemplate.APPEAL_WITHDRAWN,
            Audience.APPLICANT,
            status=state.status.value,
            reapply_after=again,
        )
    elif state.status in OPEN_STATUSES:
        _leave(state, effects, now)
        state.note(effects, now, "withdrawn", actor_id)
        effects.mail(MailTemplate.APPLICATION_WITHDRAWN, Audience.APPLICANT)
    else:
        raise Refused(Refusal.NOT_OPEN)
    return effects


def _again_after(state: VettingState, now: datetime) -> str | None:
    """Return from when on the applicant may apply again, None if that is at any time."""
    again = state.reapply_after
    return again.isoformat() if again is not None and again > now else None


def _leave(state: VettingState, effects: Effects, now: datetime) -> None:
    if state.status is Status.MEMBER_VOTE and state.ballot is not None:
        effects.cancelled_ballot = state.ballot.id
    if state.status is Status.PROBATION:
        effects.revoke = Role.PROVISIONAL_LEADER
    state.status, state.ended_at = Status.WITHDRAWN, now
    _close(state, now)


def appeal(state: VettingState, actor_id: str, note_id: str, now: datetime) -> Effects:
    """Appeal, once and within the window; staff have the policy's days to decide."""
    state.require_applicant(actor_id)
    if state.appeal_used:
        raise Refused(Refusal.APPEAL_USED)
    if state.closed or state.stage is not Stage.APPEAL_WINDOW:
        raise Refused(Refusal.APPEAL_CLOSED)
    rules = state.policy.appeal
    due = now + rules.decision_days * DAY
    effects = Effects()
    state.appeal_used = True
    state.move(
        Stage.APPEAL_REVIEW,
        WaitingOn.STAFF,
        now,
        (
            Alarm(at=now + rules.reminder_after_days * DAY, kind=AlarmKind.APPEAL_REMINDER),
            Alarm(at=due, kind=AlarmKind.APPEAL_OVERDUE),
        ),
    )
    state.note(effects, now, "appealed", actor_id, note_id)
    effects.mail(MailTemplate.APPEAL_RECEIVED, Audience.APPLICANT, deadline=due.isoformat())
    effects.mail(MailTemplate.STAFF_APPEAL, Audience.REVIEWERS, deadline=due.isoformat())
    return effects


def require_appeal_judge(state: VettingState, actor_id: str) -> None:
    """Refuse whoever may not decide the appeal: those who decided before, and those with a conflict."""
    state.require(Stage.APPEAL_REVIEW)
    state.require_unconflicted(actor_id)
    if actor_id in state.decided_by:
        raise Refused(Refusal.DECIDED_BEFORE)


def uphold(state: VettingState, actor_id: str, note_id: str | None, now: datetime) -> Effects:
    """Let the loss stand; the application is closed for good."""
    require_appeal_judge(state, actor_id)
    effects = Effects()
    _close(state, now)
    state.note(effects, now, "appeal_upheld", actor_id, note_id)
    again = _again_after(state, now)
    effects.mail(MailTemplate.APPEAL_UPHELD, Audience.APPLICANT, note_id=note_id, reapply_after=again)
    return effects


def ring(state: VettingState, alarm: Alarm, now: datetime) -> Effects:
    """Act on a deadline of the appeal: the window closes, or staff are reminded until they decide."""
    effects = Effects()
    if alarm.kind is AlarmKind.APPEAL_WINDOW_ENDS:
        _close(state, now)
        state.note(effects, now, "appeal_window_closed")
        return effects
    state.drop(alarm)
    overdue = alarm.kind is AlarmKind.APPEAL_OVERDUE
    if overdue:
        state.escalated = True
        at = alarm.at + state.policy.appeal.decision_days * DAY
        state.alarms += (Alarm(at=at, kind=alarm.kind, number=alarm.number + 1),)
    state.note(effects, now, "appeal_overdue" if overdue else "staff_reminded", stage=state.stage.value)
    deadline = state.deadline
    effects.mail(
        MailTemplate.STAFF_APPEAL_OVERDUE if overdue else MailTemplate.STAFF_APPEAL_REMINDER,
        Audience.LEADS if overdue else Audience.REVIEWERS,
        **({} if overdue or deadline is None else {"deadline": deadline.at.isoformat()}),
    )
    return effects
