"""Probation inside vetting: its span, weekly evaluation, mid-term, and the decision that staff confirm."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.mail import MailTemplate
from domain.people import Role
from domain.probation import WEEK, Figures, Target, evaluate, full_weeks, midterm, week_bounds
from domain.process import Refused
from domain.vetting import ends, lateness
from domain.vetting.state import Alarm, AlarmKind, Audience, Effects, Order, OrderKind, Period, VettingState
from domain.vetting.terms import ProbationDecision, ReasonCode, Refusal, Stage, Status, WaitingOn

DAY = timedelta(days=1)
PROBATION_STAGES = (Stage.PROBATION, Stage.PROBATION_EXTENDED)


def begin(state: VettingState, effects: Effects, now: datetime) -> None:
    """Start the first span: the applicant becomes a provisional leader."""
    _start_period(state, 1, now, state.policy.probation.length_days)
    effects.grant = Role.PROVISIONAL_LEADER
    ends_at, middle = _ends_at(state), midterm(now, _ends_at(state))
    state.alarms += (Alarm(at=middle, kind=AlarmKind.MIDTERM),)
    state.note(effects, now, "probation_started", ends_at=ends_at.isoformat())
    data = {"ends_at": ends_at.isoformat(), "midterm_at": middle.isoformat()}
    effects.mail(MailTemplate.VOTE_PASSED_PROBATION_STARTED, Audience.APPLICANT, **data)


def begin_again(
    state: VettingState,
    effects: Effects,
    now: datetime,
    missed: Sequence[str] = (),
    *,
    note_id: str | None = None,
    appealed: bool = False,
) -> None:
    """Start another span, by the one extension there is or after a successful appeal."""
    number = (state.period.number if state.period else 0) + 1
    _start_period(state, number, now, state.policy.probation.extension_days)
    state.extended = True
    effects.grant = Role.PROVISIONAL_LEADER
    ends_at = _ends_at(state)
    state.note(effects, now, "probation_extended", ends_at=ends_at.isoformat())
    effects.mail(
        MailTemplate.PROBATION_EXTENDED,
        Audience.APPLICANT,
        ends_at=ends_at.isoformat(),
        missed=list(missed),
        note_id=note_id,
        appealed=appealed,
    )


def _start_period(state: VettingState, number: int, now: datetime, days: int) -> None:
    period = Period(number=number, starts_at=now, ends_at=now + days * DAY)
    weeks = full_weeks(period.starts_at, period.ends_at)
    alarms = [Alarm(at=now + n * WEEK, kind=AlarmKind.WEEK_ENDS, number=n) for n in range(1, weeks + 1)]
    alarms.append(Alarm(at=period.ends_at, kind=AlarmKind.PROBATION_ENDS, number=number))
    stage = Stage.PROBATION if number == 1 else Stage.PROBATION_EXTENDED
    state.status, state.period = Status.PROBATION, period
    state.violations, state.evaluation = 0, None
    state.move(stage, WaitingOn.APPLICANT, now, alarms)


def _ends_at(state: VettingState) -> datetime:
    if state.period is None:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    return state.period.ends_at


def ring(state: VettingState, alarm: Alarm, now: datetime) -> Effects:
    """Act on a deadline of probation: order an evaluation, or remind staff of their decision."""
    state.drop(alarm)
    effects = Effects()
    if alarm.kind in (AlarmKind.DECISION_REMINDER, AlarmKind.DECISION_ESCALATION):
        _remind_staff(state, effects, alarm, now)
    elif alarm.kind is AlarmKind.WEEK_ENDS:
        state.orders += (Order(kind=OrderKind.EVALUATE_WEEK, number=alarm.number),)
    else:
        why = "midterm" if alarm.kind is AlarmKind.MIDTERM else "ended"
        number = state.period.number if state.period else 0
        state.orders += (Order(kind=OrderKind.JUDGE_PROBATION, number=number, why=why),)
    return effects


def week_evaluated(state: VettingState, period: int, week: int, figures: Figures, now: datetime) -> Effects:
    """Put a week's figures on the timeline."""
    _require_period(state, period)
    effects = Effects()
    state.note(effects, now, "week_evaluated", week=week, **figures.model_dump())
    return effects


def midterm_reached(
    state: VettingState, period: int, weekly_posts: Sequence[int], total: Figures, now: datetime
) -> Effects:
    """Tell the provisional leader in the middle of the span how each target stands."""
    _require_period(state, period)
    effects = Effects()
    result = evaluate(weekly_posts, total, state.policy.probation, extended=state.extended)
    targets = [item.model_dump(mode="json") for item in result.targets]
    state.note(effects, now, "midterm_feedback", targets=targets)
    given = {"ratings": total.ratings, "ratings_needed": state.policy.probation.ratings_needed}
    told = [item | given if item["target"] == Target.RATING else item for item in targets]
    data = {"targets": told, "ends_at": _ends_at(state).isoformat()}
    effects.mail(MailTemplate.PROBATION_MIDTERM, Audience.APPLICANT, **data)
    return effects


def judged(
    state: VettingState,
    period: int,
    weekly_posts: Sequence[int],
    total: Figures,
    now: datetime,
    why: str = "ended",
) -> Effects:
    """Compute the recommendation, at the end or after a violation, and ask staff to confirm it."""
    _require_period(state, period, Stage.PROBATION_DECISION)
    effects = Effects()
    # A violation counts although it may have happened outside the measured span.
    total = total.model_copy(update={"violations": max(total.violations, state.violations)})
    state.evaluation = evaluate(weekly_posts, total, state.policy.probation, extended=state.extended)
    _await_decision(state, effects, now, why)
    return effects


def violation(state: VettingState, actor_id: str, violation_id: str, kind: str, now: datetime) -> Effects:
    """Take a confirmed violation: probation ends early, and staff review it with the advice to fail."""
    state.require(*PROBATION_STAGES, Stage.PROBATION_DECISION)
    state.require_unconflicted(actor_id)
    effects = Effects()
    state.violations += 1
    number = state.period.number if state.period else 0
    state.orders += (Order(kind=OrderKind.JUDGE_PROBATION, number=number, why="violation"),)
    state.note(effects, now, "violation_confirmed", actor_id, violation_id=violation_id, kind=kind)
    return effects


def _await_decision(state: VettingState, effects: Effects, now: datetime, why: str) -> None:
    rules, again = state.policy.probation, state.stage is Stage.PROBATION_DECISION
    advice = _advice(state)
    alarms = (
        Alarm(at=now + rules.decision_reminder_days * DAY, kind=AlarmKind.DECISION_REMINDER),
        Alarm(at=now + rules.decision_escalation_days * DAY, kind=AlarmKind.DECISION_ESCALATION),
    )
    state.move(Stage.PROBATION_DECISION, WaitingOn.STAFF, now, alarms)
    state.note(effects, now, "probation_judged", recommendation=advice.value, why=why)
    deadline = state.told(AlarmKind.DECISION_REMINDER)
    effects.mail(
        MailTemplate.PROBATION_UNDER_REVIEW,
        Audience.APPLICANT,
        reason=why,
        deadline=deadline,
        again=again,
        extended=state.extended,
    )
    effects.mail(
        MailTemplate.STAFF_PROBATION_DECISION,
        Audience.REVIEWERS,
        recommendation=advice.value,
        deadline=deadline,
        escalates_at=state.told(AlarmKind.DECISION_ESCALATION),
    )


def _advice(state: VettingState) -> ProbationDecision:
    if state.evaluation is None:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    return state.evaluation.recommendation


def _remind_staff(state: VettingState, effects: Effects, alarm: Alarm, now: datetime) -> None:
    if alarm.kind is AlarmKind.DECISION_REMINDER:
        state.note(effects, now, "staff_reminded", stage=state.stage.value)
        deadline = state.told(AlarmKind.DECISION_ESCALATION)
        effects.mail(MailTemplate.STAFF_PROBATION_REMINDER, Audience.REVIEWERS, deadline=deadline)
        return
    state.escalated = True
    apart = state.policy.probation.decision_escalation_days * DAY
    at = alarm.at + apart
    state.alarms += (Alarm(at=at, kind=alarm.kind, number=alarm.number + 1),)
    state.note(effects, now, "escalated", stage=state.stage.value)
    again = lateness.first_after(now, at, apart).isoformat()
    effects.mail(MailTemplate.STAFF_PROBATION_REMINDER, Audience.LEADS, why="escalation", deadline=again)


def decide(
    state: VettingState, actor_id: str, decision: ProbationDecision, note_id: str | None, now: datetime
) -> Effects:
    """Take the staff's decision; one that departs from the recommendation needs a note that says why."""
    state.require(Stage.PROBATION_DECISION)
    state.require_unconflicted(actor_id)
    if any(order.kind is OrderKind.JUDGE_PROBATION for order in state.orders):
        # A violation has just been confirmed: the advice that this decision rests on is about to change.
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    advice = _advice(state)
    if decision is ProbationDecision.EXTEND and state.extended:
        raise Refused(Refusal.ALREADY_EXTENDED)
    if decision is not advice and note_id is None:
        raise Refused(Refusal.NOTE_REQUIRED, recommendation=advice.value)
    effects = Effects()
    state.decided_by = tuple(dict.fromkeys((*state.decided_by, actor_id)))
    state.note(effects, now, f"probation_{decision.value}", actor_id, note_id, recommendation=advice.value)
    if decision is ProbationDecision.PASS:
        ends.certify(state, effects, now)
    elif decision is ProbationDecision.EXTEND:
        missed = [target.value for target in state.evaluation.missed] if state.evaluation else []
        begin_again(state, effects, now, missed, note_id=note_id)
    else:
        ends.fail_probation(state, effects, _failed_for(state), now, note_id)
    return effects


def _failed_for(state: VettingState) -> tuple[ReasonCode, ...]:
    return (ReasonCode.CONFIRMED_VIOLATION if state.violations else ReasonCode.TARGETS_MISSED,)


def _require_period(state: VettingState, period: int, *also: Stage) -> None:
    state.require(*PROBATION_STAGES, *also)
    if state.period is None or state.period.number != period:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)


def measured(state: VettingState, now: datetime) -> tuple[datetime, datetime]:
    """Return the span (UTC) of the current period as far as it has gone at ``now``."""
    if state.period is None:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    return state.period.starts_at, min(now, state.period.ends_at)


def week_span(state: VettingState, week: int) -> tuple[datetime, datetime]:
    """Return the span (UTC) of ``week`` of the current period, counted from 1."""
    return week_bounds(measured(state, _ends_at(state))[0], week)
