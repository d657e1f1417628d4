"""Member vote: opening, reminding, counting, extending once."""

from datetime import datetime, timedelta

from domain.ballots import BallotOutcome, Tally, outcome
from domain.ids import derived_id
from domain.mail import MailTemplate
from domain.process import Refused
from domain.vetting import ends, trial
from domain.vetting.state import (
    Alarm,
    AlarmKind,
    Audience,
    BallotState,
    Effects,
    Order,
    OrderKind,
    VettingState,
)
from domain.vetting.terms import ReasonCode, Refusal, Stage, Status, WaitingOn

COUNTED_LATE = timedelta(hours=1)
VOTE_STAGES = (Stage.VOTING, Stage.VOTING_EXTENDED)


def begin(state: VettingState, now: datetime) -> None:
    """Enter the member vote and order a ballot; its window starts when the roll is frozen."""
    state.status = Status.MEMBER_VOTE
    state.move(Stage.VOTING, WaitingOn.MEMBERS, now)
    state.ballots += 1
    ballot_id = derived_id("ballot", state.application_id, str(state.ballots))
    state.ballot = BallotState(id=ballot_id)
    state.orders += (Order(kind=OrderKind.OPEN_BALLOT, ballot_id=ballot_id),)


def _current(state: VettingState, ballot_id: str) -> BallotState:
    state.require(*VOTE_STAGES)
    if state.ballot is None or state.ballot.id != ballot_id:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    return state.ballot


def opened(
    state: VettingState, ballot_id: str, opens_at: datetime, closes_at: datetime, roll: int, now: datetime
) -> Effects:
    """Take note that the ballot is open: set its alarms and order the mail to the roll."""
    ballot = _current(state, ballot_id)
    effects = Effects()
    state.ballot = ballot.model_copy(update={"opens_at": opens_at, "closes_at": closes_at, "roll": roll})
    state.alarms = _alarms(state, closes_at)
    state.orders += (
        Order(kind=OrderKind.MAIL_ROLL, ballot_id=ballot_id, template=MailTemplate.BALLOT_OPENED),
    )
    state.note(effects, now, "ballot_opened", ballot_id=ballot_id, roll=roll, closes_at=closes_at.isoformat())
    effects.mail(
        MailTemplate.REVIEW_PASSED_VOTE_OPENED,
        Audience.APPLICANT,
        ballot_id=ballot_id,
        closes_at=closes_at.isoformat(),
        again=state.ballots > 1,
    )
    return effects


def _alarms(state: VettingState, closes_at: datetime) -> tuple[Alarm, ...]:
    before = timedelta(hours=state.policy.vote.reminder_before_close_hours)
    extended = state.ballot is not None and state.ballot.extended
    return (
        Alarm(at=closes_at - before, kind=AlarmKind.BALLOT_REMINDER, number=int(extended)),
        Alarm(at=closes_at, kind=AlarmKind.BALLOT_CLOSES, number=int(extended)),
    )


def ring(state: VettingState, alarm: Alarm, now: datetime) -> Effects:
    """Act on a deadline of the vote: order the reminder to those who have not voted, or the count."""
    state.drop(alarm)
    effects = Effects()
    ballot = state.ballot
    if ballot is None:
        raise Refused(Refusal.WRONG_STAGE, stage=state.stage.value)
    if alarm.kind is AlarmKind.BALLOT_REMINDER:
        state.note(effects, now, "voters_reminded", ballot_id=ballot.id)
        order = Order(
            kind=OrderKind.MAIL_ROLL,
            ballot_id=ballot.id,
            template=MailTemplate.BALLOT_REMINDER,
            number=alarm.number,
        )
    else:
        order = Order(kind=OrderKind.COUNT_BALLOT, ballot_id=ballot.id, number=alarm.number)
    state.orders += (order,)
    return effects


def extension_end(state: VettingState, ballot: BallotState, now: datetime) -> datetime | None:
    """Return until when a count without quorum extends ``ballot``, None if it was extended before.

    The extension follows the window. Where an outage made the count late it begins now instead: nobody
    could vote meanwhile, and the days of the extension are promised.
    """
    if ballot.extended or ballot.closes_at is None:
        return None
    begins = now if now - ballot.closes_at > COUNTED_LATE else ballot.closes_at
    return begins + timedelta(days=state.policy.vote.extension_days)


def extended(state: VettingState, ballot_id: str, closes_at: datetime, now: datetime) -> Effects:
    """Take note that the quorum was missed the first time and the ballot stays open until ``closes_at``."""
    ballot = _current(state, ballot_id)
    effects = Effects()
    state.ballot = ballot.model_copy(update={"closes_at": closes_at, "extended": True})
    state.move(Stage.VOTING_EXTENDED, WaitingOn.MEMBERS, now, _alarms(state, closes_at))
    state.orders += (
        Order(kind=OrderKind.MAIL_ROLL, ballot_id=ballot_id, template=MailTemplate.BALLOT_EXTENDED),
    )
    state.note(effects, now, "ballot_extended", ballot_id=ballot_id, closes_at=closes_at.isoformat())
    effects.mail(MailTemplate.VOTE_EXTENDED_APPLICANT, Audience.APPLICANT, closes_at=closes_at.isoformat())
    return effects


def counted(state: VettingState, ballot_id: str, tally: Tally, now: datetime) -> Effects:
    """Judge the closed ballot: on to probation, or rejected with its reason."""
    ballot = _current(state, ballot_id)
    effects = Effects()
    state.ballot = ballot.model_copy(update={"tally": tally})
    rules = state.policy.vote
    result = outcome(
        tally,
        quorum_share=rules.quorum_share,
        quorum_minimum=rules.quorum_minimum,
        approval_share=rules.approval_share,
    )
    state.note(
        effects, now, "ballot_counted", ballot_id=ballot_id, outcome=result.value, **tally.model_dump()
    )
    if result is BallotOutcome.PASSED:
        trial.begin(state, effects, now)
    else:
        missed = result is BallotOutcome.NO_QUORUM
        reason = ReasonCode.NO_QUORUM if missed else ReasonCode.VOTE_FAILED
        ends.reject(state, effects, (reason,), now)
    return effects
