"""Credential review: submission, claims on the work, opinions, changes, deadlines."""

from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from domain.checks import Flag
from domain.credentials import ClaimFinding, ClaimVerdict, CredentialClaim, strictly_unproven
from domain.mail import MailTemplate
from domain.process import Refused
from domain.vetting import ends, lateness, vote
from domain.vetting.state import Alarm, AlarmKind, Audience, Effects, VettingState
from domain.vetting.terms import (
    REVIEW_REASONS,
    REVIEW_STAGES,
    ChecklistItem,
    Opinion,
    ReasonCode,
    Refusal,
    ReviewDecision,
    ReviewResult,
    Stage,
    Status,
    WaitingOn,
    agreed_claims,
    reasons_of,
    weigh,
)

DAY = timedelta(days=1)


class Review(BaseModel):
    """A reviewer's decision with all that it rests on; free text stays behind ``note_id``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reviewer_id: str
    is_lead: bool = False
    decision: ReviewDecision
    checklist: dict[ChecklistItem, bool] = {}
    findings: tuple[ClaimFinding, ...] = ()
    reasons: tuple[ReasonCode, ...] = ()
    note_id: str | None = None


def check_review(review: Review, claims: tuple[CredentialClaim, ...], today: date) -> None:
    """Refuse a decision that does not rest on what it must rest on.

    An approval needs every checklist item affirmed, a finding for every claim, at least one claim
    verified, and the strict check for regulated fields; anything else needs a reason that staff may give.
    """
    if review.decision is not ReviewDecision.APPROVE:
        if not review.reasons or not REVIEW_REASONS.issuperset(review.reasons):
            raise Refused(Refusal.REASONS_REQUIRED, allowed=sorted(REVIEW_REASONS))
        return
    lacking = [item.value for item in ChecklistItem if not review.checklist.get(item)]
    if lacking:
        raise Refused(Refusal.CHECKLIST_INCOMPLETE, items=lacking)
    found = {finding.claim_id for finding in review.findings}
    undecided = [claim.id for claim in claims if claim.id not in found]
    if undecided or len(found) != len(review.findings) or found - {claim.id for claim in claims}:
        raise Refused(Refusal.CLAIMS_UNDECIDED, claims=undecided)
    lax = strictly_unproven(claims, review.findings, today)
    if lax:
        raise Refused(Refusal.STRICT_CHECK_REQUIRED, claims=list(lax))
    if all(finding.verdict is not ClaimVerdict.VERIFIED for finding in review.findings):
        raise Refused(Refusal.NO_VERIFIED_CLAIM)


def submit(state: VettingState, actor_id: str, now: datetime) -> Effects:
    """Take a complete draft into credential review."""
    state.require(Stage.INTAKE)
    state.require_applicant(actor_id)
    effects = Effects()
    state.submitted_at = now
    state.note(effects, now, "submitted", actor_id)
    begin_round(state, effects, now)
    effects.mail(MailTemplate.APPLICATION_RECEIVED, Audience.APPLICANT, deadline=_deadline(state))
    return effects


def _deadline(state: VettingState) -> str | None:
    alarm = state.deadline
    return alarm.at.isoformat() if alarm else None


def begin_round(state: VettingState, effects: Effects, now: datetime) -> None:
    """Start a fresh round of opinions: after submission, resubmission or a successful appeal."""
    state.status = Status.CREDENTIAL_REVIEW
    state.round += 1
    state.opinions = ()
    await_reviewer(state, effects, Stage.FIRST_REVIEW, now)


def await_reviewer(state: VettingState, effects: Effects, stage: Stage, now: datetime, why: str = "") -> None:
    """Wait for the next reviewer of ``stage``, with the reminder and the escalation of the policy."""
    rules = state.policy.review
    waiting_on, template, audience = {
        Stage.FIRST_REVIEW: (WaitingOn.REVIEWER, MailTemplate.STAFF_REVIEW_NEEDED, Audience.REVIEWERS),
        Stage.SECOND_REVIEW: (
            WaitingOn.SECOND_REVIEWER,
            MailTemplate.STAFF_SECOND_REVIEW_NEEDED,
            Audience.REVIEWERS,
        ),
        Stage.LEAD_REVIEW: (WaitingOn.LEAD_REVIEWER, MailTemplate.STAFF_LEAD_NEEDED, Audience.LEADS),
    }[stage]
    if stage is Stage.LEAD_REVIEW:
        alarms = [Alarm(at=now + rules.reminder_after_days * DAY, kind=AlarmKind.LEAD_REMINDER)]
    else:
        alarms = [
            Alarm(at=now + rules.reminder_after_days * DAY, kind=AlarmKind.REVIEW_REMINDER),
            Alarm(at=now + rules.escalation_after_days * DAY, kind=AlarmKind.REVIEW_ESCALATION),
        ]
    state.move(stage, waiting_on, now, alarms)
    data = {"why": why} if why else {"stage": stage.value}
    effects.mail(
        template,
        audience,
        deadline=_deadline(state),
        escalates_at=state.told(AlarmKind.REVIEW_ESCALATION),
        **data,
    )


def admitted(state: VettingState, flags: tuple[Flag, ...]) -> None:
    """Keep what the automatic checks want the reviewers to know."""
    state.flags = flags


def _require_reviewer(state: VettingState, actor_id: str, is_lead: bool) -> None:
    state.require(*REVIEW_STAGES)
    state.require_unconflicted(actor_id)
    if any(opinion.reviewer_id == actor_id for opinion in state.opinions):
        raise Refused(Refusal.ALREADY_DECIDED)
    if state.stage is Stage.LEAD_REVIEW and not is_lead:
        raise Refused(Refusal.LEAD_REQUIRED)
    if state.claimed_by not in (None, actor_id):
        raise Refused(Refusal.CLAIMED_BY_OTHER)


def claim(state: VettingState, actor_id: str, is_lead: bool, now: datetime) -> Effects:
    """Hold the application for one reviewer; nobody else can decide meanwhile."""
    _require_reviewer(state, actor_id, is_lead)
    effects = Effects()
    if state.claimed_by is None:
        state.claimed_by = actor_id
        state.note(effects, now, "claimed", actor_id)
    return effects


def release(state: VettingState, actor_id: str, is_lead: bool, now: datetime) -> Effects:
    """Give the application back to the queue; a lead may release another's hold."""
    state.require(*REVIEW_STAGES)
    if state.claimed_by is None:
        raise Refused(Refusal.NOT_CLAIMED)
    if state.claimed_by != actor_id and not is_lead:
        raise Refused(Refusal.CLAIMED_BY_OTHER)
    effects = Effects()
    state.claimed_by = None
    state.note(effects, now, "released", actor_id)
    return effects


def declare_conflict(
    state: VettingState, actor_id: str, now: datetime, *, opinion_counts: bool = False
) -> Effects:
    """Step aside for a conflict of interest: the hold ends and this person cannot decide any more.

    An opinion given earlier in a round that is still open no longer counts, and somebody else gives one,
    unless ``opinion_counts``, as it did in processes of the first days.
    """
    if state.closed:
        raise Refused(Refusal.NOT_OPEN)
    effects = Effects(conflict_of=actor_id)
    if actor_id in state.conflicted:
        return effects
    state.conflicted += (actor_id,)
    if state.claimed_by == actor_id:
        state.claimed_by = None
    state.note(effects, now, "conflict_declared", actor_id)
    if state.stage in REVIEW_STAGES and not opinion_counts:
        _drop_opinion(state, effects, actor_id, now)
    return effects


def _drop_opinion(state: VettingState, effects: Effects, actor_id: str, now: datetime) -> None:
    """Take back what somebody who has stepped aside said in this round, and wait for one opinion more."""
    left = tuple(opinion for opinion in state.opinions if opinion.reviewer_id != actor_id)
    if left == state.opinions:
        return
    state.opinions, held_by = left, state.claimed_by
    state.note(effects, now, "opinion_dropped", round=state.round)
    await_reviewer(state, effects, Stage.SECOND_REVIEW if left else Stage.FIRST_REVIEW, now)
    state.claimed_by = held_by


def review(state: VettingState, request: Review, now: datetime) -> Effects:
    """Take one opinion and move on as all opinions of the round add up."""
    _require_reviewer(state, request.reviewer_id, request.is_lead)
    opinion = Opinion(
        reviewer_id=request.reviewer_id,
        decision=request.decision,
        reasons=request.reasons,
        verified_claims=tuple(f.claim_id for f in request.findings if f.verdict is ClaimVerdict.VERIFIED),
        as_lead=state.stage is Stage.LEAD_REVIEW,
    )
    effects = Effects()
    state.opinions += (opinion,)
    state.decided_by = tuple(dict.fromkeys((*state.decided_by, request.reviewer_id)))
    state.note(
        effects,
        now,
        f"review_{request.decision.value}",
        request.reviewer_id,
        request.note_id,
        round=state.round,
        as_lead=opinion.as_lead,
        reasons=[reason.value for reason in request.reasons],
    )
    _follow(state, effects, request, now)
    return effects


def _follow(state: VettingState, effects: Effects, request: Review, now: datetime) -> None:
    result = weigh(state.opinions, state.policy.review.reviewers)
    if result is ReviewResult.CHANGES:
        _ask_for_changes(state, effects, request, now)
    elif result is ReviewResult.DISAGREED:
        await_reviewer(state, effects, Stage.LEAD_REVIEW, now, why="disagreement")
    elif result is ReviewResult.REJECTED:
        ends.reject(state, effects, reasons_of(state.opinions), now, note_id=request.note_id)
    elif result is ReviewResult.APPROVED:
        _approve(state, effects, now)
    else:
        await_reviewer(state, effects, Stage.SECOND_REVIEW, now)


def _approve(state: VettingState, effects: Effects, now: datetime) -> None:
    claims = agreed_claims(state.opinions)
    if not claims:
        # Both approve, but not the same claims: there is no topic that both vouch for.
        await_reviewer(state, effects, Stage.LEAD_REVIEW, now, why="no_shared_claim")
        return
    state.verified_claims = claims
    state.note(effects, now, "review_passed")
    vote.begin(state, now)


def _ask_for_changes(state: VettingState, effects: Effects, request: Review, now: datetime) -> None:
    rules = state.policy.review
    expires = now + rules.changes_window_days * DAY
    reminders = (
        Alarm(at=now + day * DAY, kind=AlarmKind.CHANGES_REMINDER, number=day)
        for day in rules.changes_reminder_days
    )
    state.reasons = request.reasons
    state.move(
        Stage.CHANGES_REQUESTED,
        WaitingOn.APPLICANT,
        now,
        (*reminders, Alarm(at=expires, kind=AlarmKind.CHANGES_EXPIRY)),
    )
    effects.mail(
        MailTemplate.CHANGES_REQUESTED,
        Audience.APPLICANT,
        deadline=expires.isoformat(),
        reasons=[reason.value for reason in request.reasons],
        note_id=request.note_id,
    )


def resubmit(state: VettingState, actor_id: str, now: datetime) -> Effects:
    """Answer a request for changes: a fresh round of review begins."""
    state.require(Stage.CHANGES_REQUESTED)
    state.require_applicant(actor_id)
    effects = Effects()
    state.reasons = ()
    state.note(effects, now, "resubmitted", actor_id)
    begin_round(state, effects, now)
    effects.mail(MailTemplate.CHANGES_RECEIVED, Audience.APPLICANT, deadline=_deadline(state))
    return effects


def ring(state: VettingState, alarm: Alarm, now: datetime) -> Effects:
    """Act on a deadline of credential review."""
    effects = Effects()
    if alarm.kind is AlarmKind.CHANGES_EXPIRY:
        ends.expire(state, effects, now)
        return effects
    state.drop(alarm)
    if alarm.kind is AlarmKind.CHANGES_REMINDER:
        state.note(effects, now, "applicant_reminded", day=alarm.number)
        effects.mail(MailTemplate.CHANGES_REMINDER, Audience.APPLICANT, deadline=_deadline(state))
    elif alarm.kind is AlarmKind.REVIEW_REMINDER:
        to = Audience.CLAIMANT if state.claimed_by else Audience.REVIEWERS
        _remind(state, effects, now, to, deadline=state.told(AlarmKind.REVIEW_ESCALATION))
    elif alarm.kind is AlarmKind.REVIEW_ESCALATION:
        _escalate(state, effects, alarm, now)
    else:
        again = _set_lead_reminder(state, alarm, now)
        why = "escalation" if state.escalated else "lead_review"
        _remind(state, effects, now, Audience.LEADS, deadline=again, why=why)
    return effects


def _remind(
    state: VettingState, effects: Effects, now: datetime, audience: Audience, **data: str | None
) -> None:
    since = state.waiting_since or now
    state.note(effects, now, "staff_reminded", stage=state.stage.value)
    effects.mail(MailTemplate.STAFF_REVIEW_REMINDER, audience, since=since.isoformat(), **data)


def _escalate(state: VettingState, effects: Effects, alarm: Alarm, now: datetime) -> None:
    # The hold of a silent reviewer ends here: a reminder alone left applicants waiting for weeks.
    state.claimed_by, state.escalated = None, True
    state.waiting_on = WaitingOn.LEAD_REVIEWER
    again = _set_lead_reminder(state, alarm, now)
    state.note(effects, now, "escalated", stage=state.stage.value)
    effects.mail(
        MailTemplate.STAFF_LEAD_NEEDED,
        Audience.LEADS,
        why="escalation",
        counts_as=_counts_as(state),
        deadline=again,
    )


def _counts_as(state: VettingState) -> str:
    """Tell what the next opinion of an escalated round is: the only one, the first of two or the second."""
    if state.policy.review.reviewers == 1:
        return "only"
    return "second" if state.opinions else "first"


def _set_lead_reminder(state: VettingState, alarm: Alarm, now: datetime) -> str:
    """Set the next reminder of the leads; return when it comes, which after an outage may be a later one."""
    apart = state.policy.review.escalation_after_days * DAY
    at = alarm.at + apart
    state.alarms += (Alarm(at=at, kind=AlarmKind.LEAD_REMINDER, number=alarm.number + 1),)
    return lateness.first_after(now, at, apart).isoformat()
