"""Mail: which letters there are, where one stands, and what may follow from what."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple


class MailTemplate(StrEnum):
    """Every letter there is; a template of that name exists in each language."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR_CHANGED = "second_factor_changed"

    APPLICATION_RECEIVED = "application_received"
    CHANGES_REQUESTED = "changes_requested"
    CHANGES_REMINDER = "changes_reminder"
    CHANGES_RECEIVED = "changes_received"
    APPLICATION_EXPIRED = "application_expired"
    REVIEW_PASSED_VOTE_OPENED = "review_passed_vote_opened"
    VOTE_EXTENDED_APPLICANT = "vote_extended_applicant"
    VOTE_PASSED_PROBATION_STARTED = "vote_passed_probation_started"
    APPLICATION_REJECTED = "application_rejected"
    PROBATION_MIDTERM = "probation_midterm"
    PROBATION_EXTENDED = "probation_extended"
    PROBATION_UNDER_REVIEW = "probation_under_review"
    CERTIFIED = "certified"
    PROBATION_FAILED = "probation_failed"
    APPLICATION_WITHDRAWN = "application_withdrawn"
    APPEAL_RECEIVED = "appeal_received"
    APPEAL_WITHDRAWN = "appeal_withdrawn"
    APPEAL_UPHELD = "appeal_upheld"
    APPEAL_OVERTURNED = "appeal_overturned"

    STAFF_REVIEW_NEEDED = "staff_review_needed"
    STAFF_SECOND_REVIEW_NEEDED = "staff_second_review_needed"
    STAFF_LEAD_NEEDED = "staff_lead_needed"
    STAFF_REVIEW_REMINDER = "staff_review_reminder"
    STAFF_PROBATION_DECISION = "staff_probation_decision"
    STAFF_PROBATION_REMINDER = "staff_probation_reminder"
    STAFF_APPEAL = "staff_appeal"
    STAFF_APPEAL_REMINDER = "staff_appeal_reminder"
    STAFF_APPEAL_OVERDUE = "staff_appeal_overdue"

    BALLOT_OPENED = "ballot_opened"
    BALLOT_REMINDER = "ballot_reminder"
    BALLOT_EXTENDED = "ballot_extended"

    CAMPAIGN_REVIEW_NEEDED = "campaign_review_needed"
    CAMPAIGN_REVIEW_REMINDER = "campaign_review_reminder"
    CAMPAIGN_DOUBTS_OPEN = "campaign_doubts_open"

    CAMPAIGN_APPROVED = "campaign_approved"
    CAMPAIGN_REJECTED = "campaign_rejected"
    CAMPAIGN_CHANGES_REQUESTED = "campaign_changes_requested"
    CAMPAIGN_STARTED = "campaign_started"
    CAMPAIGN_DIGEST = "campaign_digest"
    CAMPAIGN_CANCELLED = "campaign_cancelled"
    CAMPAIGN_SETTLED = "campaign_settled"
    CAMPAIGN_PAUSED_LEADER = "campaign_paused_leader"
    CAMPAIGN_RESUMED_LEADER = "campaign_resumed_leader"
    CAMPAIGN_EXTENDED_LEADER = "campaign_extended_leader"
    CAMPAIGN_AMNESTY_LEADER = "campaign_amnesty_leader"

    CAMPAIGN_INVITATION = "campaign_invitation"
    CAMPAIGN_ENROLLED = "campaign_enrolled"
    CAMPAIGN_PLACE_FREE = "campaign_place_free"
    CAMPAIGN_NO_PLACE = "campaign_no_place"
    CAMPAIGN_REMINDER = "campaign_reminder"
    CAMPAIGN_NUDGE = "campaign_nudge"
    CAMPAIGN_RESULT = "campaign_result"
    CAMPAIGN_FRIEND_COUNTED = "campaign_friend_counted"
    CAMPAIGN_ENDED_EARLY = "campaign_ended_early"
    CAMPAIGN_PAUSED = "campaign_paused"
    CAMPAIGN_RESUMED = "campaign_resumed"
    CAMPAIGN_EXTENDED = "campaign_extended"
    CAMPAIGN_CALLED_OFF = "campaign_called_off"
    CAMPAIGN_AMNESTY = "campaign_amnesty"
    CAMPAIGN_NOTE_FEATURED = "campaign_note_featured"


class MailStatus(StrEnum):
    """Where a mail stands: queued, on its way, and one of its ends."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class ProviderEvent(StrEnum):
    """What a mail provider reports afterwards, in our words."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    BLOCKED = "blocked"
    DROPPED = "dropped"
    SPAM_REPORT = "spam_report"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionReason(StrEnum):
    """Why an address gets no more mail."""

    BOUNCE = "bounce"
    INVALID = "invalid"
    SPAM_REPORT = "spam_report"
    UNSUBSCRIBE = "unsubscribe"


BARS_EVERYTHING = frozenset({SuppressionReason.BOUNCE, SuppressionReason.INVALID})
"""The mailbox does not exist: nothing is sent. Any other reason is a wish, and bars list mail only."""

MAX_ATTEMPTS = 8
"""How often a mail is offered in vain before it fails. To be told to wait is no attempt."""

LONGEST_POSTPONEMENT = timedelta(days=1)
"""How long after a mail was first told to wait, or not offered for another's failure, it fails of that."""

_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(hours=3)


def retry_delay(attempts: int) -> timedelta:
    """Return how long to wait after that many failed attempts: 5 s, then three times as long, up to 3 h."""
    factor: int = 3 ** max(0, attempts - 1)
    return min(_FIRST_RETRY * factor, _LONGEST_RETRY)


class Transition(NamedTuple):
    """One step that a provider's event causes, and why."""

    before: MailStatus
    event: ProviderEvent
    after: MailStatus
    why: str


_NOT_KNOWN_SENT = (MailStatus.QUEUED, MailStatus.SENDING, MailStatus.UNKNOWN)
_S, _E = MailStatus, ProviderEvent


def _from_each(
    before: tuple[MailStatus, ...], event: ProviderEvent, after: MailStatus, why: str
) -> tuple[Transition, ...]:
    return tuple(Transition(status, event, after, why) for status in before)


TRANSITIONS: tuple[Transition, ...] = (
    *_from_each(
        _NOT_KNOWN_SENT,
        _E.ACCEPTED,
        _S.SENT,
        "An attempt whose answer we never saw got through after all: it must not be sent again.",
    ),
    Transition(
        _S.FAILED,
        _E.ACCEPTED,
        _S.SENT,
        "We gave up not knowing; the provider had taken the mail.",
    ),
    *_from_each(
        _NOT_KNOWN_SENT,
        _E.DEFERRED,
        _S.SENT,
        "The provider has the mail and goes on trying by itself: a second copy would be ours.",
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT),
        _E.DELIVERED,
        _S.DELIVERED,
        "The reader's server took it; events overtake each other, so `accepted` may never come before.",
    ),
    Transition(
        _S.FAILED, _E.DELIVERED, _S.DELIVERED, "We gave up not knowing, or a blocked mail got through later."
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT, _S.FAILED),
        _E.BOUNCED,
        _S.BOUNCED,
        "The mailbox does not exist: final, trying again harms the sender's name.",
    ),
    Transition(
        _S.DELIVERED,
        _E.BOUNCED,
        _S.BOUNCED,
        "Some servers take a mail first and send it back later; a `delivered` that comes after stays without "
        "effect, because nothing is delivered after it bounced.",
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT),
        _E.BLOCKED,
        _S.FAILED,
        "Refused this time (content, reputation, full): the mailbox exists, so later mail may go there.",
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT, _S.FAILED),
        _E.DROPPED,
        _S.SUPPRESSED,
        "The provider keeps a list of its own and did not send.",
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT, _S.FAILED),
        _E.SPAM_REPORT,
        _S.DELIVERED,
        "Only someone who got it can complain about it.",
    ),
    *_from_each(
        (*_NOT_KNOWN_SENT, _S.SENT, _S.FAILED),
        _E.UNSUBSCRIBED,
        _S.DELIVERED,
        "Only someone who got it can unsubscribe from it.",
    ),
)
"""Every effect of an event on a mail. A pair that is not here leaves the mail as it is: the event is late."""

_AFTER = {(step.before, step.event): step.after for step in TRANSITIONS}

SUPPRESSED_BY = {
    ProviderEvent.BOUNCED: SuppressionReason.BOUNCE,
    ProviderEvent.SPAM_REPORT: SuppressionReason.SPAM_REPORT,
    ProviderEvent.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
}
"""Events after which the address itself is barred."""


def after_event(status: MailStatus, event: ProviderEvent) -> MailStatus:
    """Return where a mail stands once the provider reported ``event``, in whatever order events come."""
    return _AFTER.get((status, event), status)
