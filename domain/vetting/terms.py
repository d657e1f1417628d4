"""Vetting: the stages of an application, who may decide, and what opinions add up to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.policy import VettingPolicy


class Status(StrEnum):
    """Where an application stands, from draft to one of its ends."""

    DRAFT = "draft"
    CREDENTIAL_REVIEW = "credential_review"
    MEMBER_VOTE = "member_vote"
    PROBATION = "probation"
    CERTIFIED = "certified"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ORDINARY_CREATOR = "ordinary_creator"


class Stage(StrEnum):
    """The step inside a status."""

    INTAKE = "intake"
    FIRST_REVIEW = "first_review"
    SECOND_REVIEW = "second_review"
    LEAD_REVIEW = "lead_review"
    CHANGES_REQUESTED = "changes_requested"
    VOTING = "voting"
    VOTING_EXTENDED = "voting_extended"
    PROBATION = "probation"
    PROBATION_EXTENDED = "probation_extended"
    PROBATION_DECISION = "probation_decision"
    APPEAL_WINDOW = "appeal_window"
    APPEAL_REVIEW = "appeal_review"
    CLOSED = "closed"


class WaitingOn(StrEnum):
    """Who must act next."""

    APPLICANT = "applicant"
    REVIEWER = "reviewer"
    SECOND_REVIEWER = "second_reviewer"
    LEAD_REVIEWER = "lead_reviewer"
    MEMBERS = "members"
    STAFF = "staff"
    NOBODY = "nobody"


class IfNothing(StrEnum):
    """What happens at the next deadline if nobody acts."""

    STAYS_DRAFT = "stays_draft"
    REVIEWER_REMINDED = "reviewer_reminded"
    ESCALATED_TO_LEAD = "escalated_to_lead"
    LEAD_REMINDED = "lead_reminded"
    EXPIRES = "expires"
    BALLOT_COUNTED = "ballot_counted"
    WEEK_EVALUATED = "week_evaluated"
    PROBATION_JUDGED = "probation_judged"
    STAFF_REMINDED = "staff_reminded"
    REJECTION_STANDS = "rejection_stands"
    NOTHING = "nothing"


class ReviewDecision(StrEnum):
    """What a reviewer can say."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class ProbationDecision(StrEnum):
    """What staff can say at the end of probation."""

    PASS = "pass"
    EXTEND = "extend"
    FAIL = "fail"


class AppealDecision(StrEnum):
    """What staff can say to an appeal."""

    UPHOLD = "uphold"
    OVERTURN = "overturn"


class ReasonCode(StrEnum):
    """Why an application was rejected or sent back; every refusal carries at least one."""

    IDENTITY_UNPROVEN = "identity_unproven"
    CREDENTIALS_UNPROVEN = "credentials_unproven"
    CREDENTIALS_EXPIRED = "credentials_expired"
    REGULATED_FIELD_UNPROVEN = "regulated_field_unproven"
    CONTENT_SAMPLE_WEAK = "content_sample_weak"
    VALUES_MISMATCH = "values_mismatch"
    DUPLICATE_PERSON = "duplicate_person"
    FRAUD = "fraud"
    INCOMPLETE = "incomplete"
    UNREADABLE_DOCUMENT = "unreadable_document"
    OTHER = "other"
    VOTE_FAILED = "vote_failed"
    NO_QUORUM = "no_quorum"
    TARGETS_MISSED = "targets_missed"
    CONFIRMED_VIOLATION = "confirmed_violation"


REVIEW_REASONS = frozenset(ReasonCode) - {
    ReasonCode.VOTE_FAILED,
    ReasonCode.NO_QUORUM,
    ReasonCode.TARGETS_MISSED,
    ReasonCode.CONFIRMED_VIOLATION,
}


class ChecklistItem(StrEnum):
    """What every reviewer looks at before deciding."""

    IDENTITY = "identity"
    PROFESSIONAL_BACKGROUND = "professional_background"
    CONTENT_SAMPLE = "content_sample"
    COMMUNITY_VALUES = "community_values"


class Refusal(StrEnum):
    """Why a request was refused in the state the application is in; the stable ``code`` of the problem."""

    NOT_OPEN = "application_not_open"
    WRONG_STAGE = "wrong_stage"
    CLAIMED_BY_OTHER = "claimed_by_other"
    NOT_CLAIMED = "not_claimed"
    ALREADY_DECIDED = "already_decided_by_you"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    LEAD_REQUIRED = "lead_reviewer_required"
    REASONS_REQUIRED = "reasons_required"
    CHECKLIST_INCOMPLETE = "checklist_incomplete"
    CLAIMS_UNDECIDED = "claims_undecided"
    NO_VERIFIED_CLAIM = "no_verified_claim"
    STRICT_CHECK_REQUIRED = "strict_check_required"
    NOTE_REQUIRED = "note_required"
    ALREADY_EXTENDED = "already_extended"
    APPEAL_USED = "appeal_used"
    APPEAL_CLOSED = "appeal_closed"
    DECIDED_BEFORE = "decided_before"
    DRAFT_CHANGED = "draft_changed"
    INCOMPLETE = "application_incomplete"
    COOL_DOWN = "cool_down"
    SANCTIONED = "sanctioned"
    OTHER_APPLICATION_OPEN = "other_application_open"


class ReviewResult(StrEnum):
    """What the opinions given so far add up to."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES = "changes"
    DISAGREED = "disagreed"


class Opinion(BaseModel):
    """One reviewer's decision in one round."""

    model_config = ConfigDict(frozen=True)

    reviewer_id: str
    decision: ReviewDecision
    reasons: tuple[ReasonCode, ...] = ()
    verified_claims: tuple[str, ...] = ()
    as_lead: bool = False


OPEN_STATUSES = frozenset({Status.CREDENTIAL_REVIEW, Status.MEMBER_VOTE, Status.PROBATION})
APPEALABLE = frozenset({Status.REJECTED, Status.ORDINARY_CREATOR})
COOLING = frozenset({Status.REJECTED, Status.ORDINARY_CREATOR})
REVIEW_STAGES = frozenset({Stage.FIRST_REVIEW, Stage.SECOND_REVIEW, Stage.LEAD_REVIEW})


def weigh(opinions: Sequence[Opinion], reviewers: int) -> ReviewResult:
    """Return what ``opinions`` of one round mean when ``reviewers`` must agree.

    A request for changes takes effect at once; a lead's decision is final; otherwise the needed
    number must agree, and two who disagree go to the lead.
    """
    if not opinions:
        return ReviewResult.WAITING
    last = opinions[-1]
    if last.decision is ReviewDecision.REQUEST_CHANGES:
        return ReviewResult.CHANGES
    if last.as_lead or len(opinions) >= reviewers:
        decisions = {last.decision} if last.as_lead else {opinion.decision for opinion in opinions}
        if len(decisions) > 1:
            return ReviewResult.DISAGREED
        approved = last.decision is ReviewDecision.APPROVE
        return ReviewResult.APPROVED if approved else ReviewResult.REJECTED
    return ReviewResult.WAITING


def agreed_claims(opinions: Sequence[Opinion]) -> tuple[str, ...]:
    """Return the credential claims that hold after an approval.

    A lead's view stands alone; otherwise a claim holds only if every approving reviewer verified it.
    """
    if opinions and opinions[-1].as_lead:
        return tuple(sorted(opinions[-1].verified_claims))
    verified = [set(o.verified_claims) for o in opinions if o.decision is ReviewDecision.APPROVE]
    return tuple(sorted(set.intersection(*verified))) if verified else ()


def reasons_of(opinions: Iterable[Opinion]) -> tuple[ReasonCode, ...]:
    """Return every reason given by those who rejected, in the order first given."""
    given = (r for o in opinions if o.decision is ReviewDecision.REJECT for r in o.reasons)
    return tuple(dict.fromkeys(given))


def reapply_after(
    status: Status, ended_at: datetime, policy: VettingPolicy, reasons: Iterable[ReasonCode] = ()
) -> datetime | None:
    """Return when (UTC) the same person may submit again, None for at once.

    Only a rejection and a failed probation cool down; who withdrew or ran out of time may start afresh.
    A finding of fraud among the ``reasons`` cools down longer.
    """
    if status not in COOLING:
        return None
    return ended_at + (policy.fraud_cooldown if ReasonCode.FRAUD in reasons else policy.cooldown)
