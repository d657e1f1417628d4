"""Approval of a campaign: handing in, the decision of staff, changes, and the deadlines of both."""

from datetime import datetime, timedelta

from domain.campaigns.invitations import BLOCKING, warnings
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rewards import liability
from domain.campaigns.state import Alarm, AlarmKind, Audience, CampaignState, Effects
from domain.campaigns.terms import (
    REVIEW_REASONS,
    ReasonCode,
    Refusal,
    ReviewDecision,
    Status,
    WaitingOn,
)
from domain.mail import MailTemplate
from domain.process import Refused

DAY = timedelta(days=1)


def submit(state: CampaignState, actor_id: str, plan: CampaignPlan, now: datetime) -> Effects:
    """Hand a plan in, for the first time or after changes were asked for; it is frozen from here on."""
    state.require(Status.DRAFT)
    state.require_leader(actor_id)
    if plan.length_days > state.policy.longest_days:
        raise Refused(Refusal.TOO_LONG, longest_days=state.policy.longest_days)
    barred = [code.value for code in warnings(plan) if code in BLOCKING]
    if barred:
        raise Refused(Refusal.PLAN_UNLAWFUL, warnings=barred)
    state.plan = plan
    if state.opens(1) <= now:
        raise Refused(Refusal.STARTS_TOO_SOON, opens_at=state.opens(1).isoformat())
    effects = Effects()
    state.submitted_at = state.submitted_at or now
    state.reasons, state.decided_by = (), None
    alarms = [
        Alarm(at=now + state.policy.review_reminder_days * DAY, kind=AlarmKind.REVIEW_REMINDER),
        Alarm(at=state.opens(1), kind=AlarmKind.START_MISSED),
    ]
    state.move(Status.IN_REVIEW, WaitingOn.STAFF, now, alarms)
    state.note(effects, now, "campaign_submitted", actor_id, liability=liability(plan))
    effects.mail(MailTemplate.CAMPAIGN_REVIEW_NEEDED, Audience.MANAGERS, deadline=state.opens(1).isoformat())
    return effects


def review(
    state: CampaignState,
    actor_id: str,
    decision: ReviewDecision,
    reasons: tuple[ReasonCode, ...],
    note_id: str | None,
    now: datetime,
) -> Effects:
    """Approve, reject or ask for changes; an approval reserves the greatest possible reward."""
    state.require(Status.IN_REVIEW)
    if actor_id == state.leader_id:
        raise Refused(Refusal.OWN_CAMPAIGN)
    if decision is ReviewDecision.APPROVE:
        return _approve(state, actor_id, note_id, now)
    if not reasons or not REVIEW_REASONS.issuperset(reasons):
        raise Refused(Refusal.REASONS_REQUIRED, allowed=sorted(REVIEW_REASONS))
    effects = Effects()
    state.decided_by = actor_id
    codes = [reason.value for reason in reasons]
    if decision is ReviewDecision.REJECT:
        end(state, Status.REJECTED, now)
        state.reasons = reasons
        state.note(effects, now, "campaign_rejected", actor_id, note_id, reasons=codes)
        effects.mail(MailTemplate.CAMPAIGN_REJECTED, Audience.LEADER, reasons=codes, note_id=note_id)
    else:
        send_back(state, effects, actor_id, reasons, note_id, now)
    return effects


def _approve(state: CampaignState, actor_id: str, note_id: str | None, now: datetime) -> Effects:
    effects = Effects()
    plan = state.agreed
    state.decided_by = actor_id
    state.reserved = effects.reserve = liability(plan)
    opens = state.opens(1) - plan.enrolment_lead_days * DAY
    if opens > now:
        state.move(Status.SCHEDULED, WaitingOn.NOBODY, now, [Alarm(at=opens, kind=AlarmKind.ENROLMENT_OPENS)])
    else:
        begin_enrolment(state, now)
    state.note(effects, now, "campaign_approved", actor_id, note_id, reserved=state.reserved)
    data = {"reserved": state.reserved, "opens_at": max(opens, now).isoformat(), "note_id": note_id}
    effects.mail(MailTemplate.CAMPAIGN_APPROVED, Audience.LEADER, **data)
    return effects


def begin_enrolment(state: CampaignState, now: datetime) -> None:
    """Let members enrol; the first day opens by itself."""
    state.move(
        Status.ENROLLING,
        WaitingOn.MEMBERS,
        now,
        [Alarm(at=state.opens(1), kind=AlarmKind.DAY_OPENS, number=1)],
    )


def send_back(
    state: CampaignState,
    effects: Effects,
    actor_id: str | None,
    reasons: tuple[ReasonCode, ...],
    note_id: str | None,
    now: datetime,
) -> None:
    """Make it a draft again that its leader can change; without an answer in time it is dropped."""
    state.reasons = reasons
    until = now + state.policy.changes_window_days * DAY
    state.move(Status.DRAFT, WaitingOn.LEADER, now, [Alarm(at=until, kind=AlarmKind.CHANGES_EXPIRY)])
    codes = [reason.value for reason in reasons]
    state.note(effects, now, "campaign_changes_requested", actor_id, note_id, reasons=codes)
    effects.mail(
        MailTemplate.CAMPAIGN_CHANGES_REQUESTED,
        Audience.LEADER,
        reasons=codes,
        note_id=note_id,
        deadline=until.isoformat(),
    )


def end(state: CampaignState, status: Status, now: datetime) -> None:
    """Come to an end: nobody has to act any more."""
    state.move(status, WaitingOn.NOBODY, now)
    state.ended_at, state.closed, state.orders = now, True, ()


def ring(state: CampaignState, alarm: Alarm, now: datetime) -> Effects:
    """Act on a deadline of the approval."""
    state.require_alarm(alarm)
    effects = Effects()
    if alarm.kind is AlarmKind.REVIEW_REMINDER:
        again = Alarm(at=now + state.policy.review_reminder_days * DAY, kind=AlarmKind.REVIEW_REMINDER)
        state.alarms = (*state.alarms, again)
        state.note(effects, now, "campaign_review_reminded")
        effects.mail(MailTemplate.CAMPAIGN_REVIEW_REMINDER, Audience.MANAGERS)
    elif alarm.kind is AlarmKind.START_MISSED:
        # Nobody decided before the first day: a new date makes it possible again.
        send_back(state, effects, None, (ReasonCode.START_PASSED,), None, now)
    elif alarm.kind is AlarmKind.CHANGES_EXPIRY:
        end(state, Status.CANCELLED, now)
        state.reasons = (ReasonCode.NO_ANSWER,)
        state.note(effects, now, "campaign_dropped")
        codes = [ReasonCode.NO_ANSWER.value]
        effects.mail(MailTemplate.CAMPAIGN_CANCELLED, Audience.LEADER, reasons=codes, begun=False, reserved=0)
    else:
        begin_enrolment(state, now)
        state.note(effects, now, "enrolment_opened")
    return effects
