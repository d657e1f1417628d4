"""Each request to the vetting process as a transition that can be tried on a copy of its state."""

from collections.abc import Callable
from datetime import datetime

from contracts.vetting import Act, Appeal, ConfirmViolation, DecideAppeal, DecideProbation, Submit
from domain.process import Refused
from domain.vetting import AppealDecision, Refusal, ends, process, review, trial
from domain.vetting.review import Review
from domain.vetting.state import Alarm, Effects, VettingState

Change = Callable[[VettingState, datetime], Effects]


def ringing(alarm: Alarm, *, late: bool = False) -> Change:
    """Act on a deadline, which may come ``late``."""
    return lambda state, now: process.ring(state, alarm, now, late=late)


def submission(request: Submit) -> Change:
    """Submit the draft."""
    return lambda state, now: review.submit(state, request.actor_id, now)


def resubmission(request: Submit) -> Change:
    """Answer a request for changes."""
    return lambda state, now: review.resubmit(state, request.actor_id, now)


def withdrawal(request: Act) -> Change:
    """Withdraw the application or the appeal."""
    return lambda state, now: ends.withdraw(state, request.actor_id, now)


def claiming(request: Act) -> Change:
    """Hold the application."""
    return lambda state, now: review.claim(state, request.actor_id, request.is_lead, now)


def releasing(request: Act) -> Change:
    """Give the application back."""
    return lambda state, now: review.release(state, request.actor_id, request.is_lead, now)


def stepping_aside(request: Act, *, opinion_counts: bool = False) -> Change:
    """Declare a conflict of interest."""
    return lambda state, now: review.declare_conflict(
        state, request.actor_id, now, opinion_counts=opinion_counts
    )


def reviewing(request: Review) -> Change:
    """Give an opinion."""
    return lambda state, now: review.review(state, request, now)


def violating(request: ConfirmViolation) -> Change:
    """Confirm a violation."""
    return lambda state, now: trial.violation(
        state, request.actor_id, request.violation_id, request.kind, now
    )


def deciding_probation(request: DecideProbation) -> Change:
    """Decide the probation."""
    return lambda state, now: trial.decide(state, request.actor_id, request.decision, request.note_id, now)


def appealing(request: Appeal) -> Change:
    """Appeal."""
    return lambda state, now: ends.appeal(state, request.actor_id, request.note_id, now)


def judging_appeal(request: DecideAppeal) -> Change:
    """Decide the appeal as asked today: who upholds a loss says why. Older histories hold some without."""

    def change(state: VettingState, now: datetime) -> Effects:
        effects = deciding_appeal(request)(state, now)
        if request.decision is AppealDecision.UPHOLD and request.note_id is None:
            raise Refused(Refusal.NOTE_REQUIRED)
        return effects

    return change


def deciding_appeal(request: DecideAppeal) -> Change:
    """Decide the appeal."""
    return lambda state, now: process.decide_appeal(
        state, request.actor_id, request.decision, request.note_id, now
    )
