"""Campaigns: where one stands, who must act, and why a request is refused."""

from enum import StrEnum

from domain.campaigns.plan import CampaignPlan


class Status(StrEnum):
    """Where a campaign stands, from draft to one of its ends."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    SCHEDULED = "scheduled"
    ENROLLING = "enrolling"
    RUNNING = "running"
    PAUSED = "paused"
    SETTLING = "settling"
    SETTLED = "settled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class WaitingOn(StrEnum):
    """Who must act next."""

    LEADER = "leader"
    STAFF = "staff"
    MEMBERS = "members"
    NOBODY = "nobody"


class IfNothing(StrEnum):
    """What happens at the next deadline if nobody acts."""

    STAYS_DRAFT = "stays_draft"
    STAFF_REMINDED = "staff_reminded"
    SENT_BACK = "sent_back"
    DROPPED = "dropped"
    ENROLMENT_OPENS = "enrolment_opens"
    CAMPAIGN_STARTS = "campaign_starts"
    DAY_CLOSES = "day_closes"
    LAST_DAY_CLOSES = "last_day_closes"
    STAYS_PAUSED = "stays_paused"
    SETTLES = "settles"
    NOTHING = "nothing"


class ReviewDecision(StrEnum):
    """What staff can say to a campaign."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class ReasonCode(StrEnum):
    """Why a campaign was rejected, sent back or ended before its time."""

    REWARDS_TOO_HIGH = "rewards_too_high"
    RULES_UNCLEAR = "rules_unclear"
    UNSUITABLE = "unsuitable"
    UNLAWFUL_REWARDS = "unlawful_rewards"
    CLASHES = "clashes"
    OTHER = "other"
    START_PASSED = "start_passed"
    NO_ANSWER = "no_answer"


REVIEW_REASONS = frozenset(ReasonCode) - {ReasonCode.START_PASSED, ReasonCode.NO_ANSWER}


class Refusal(StrEnum):
    """Why a request was refused; the stable ``code`` of the problem."""

    NOT_OPEN = "campaign_not_open"
    WRONG_STAGE = "campaign_wrong_status"
    NOT_THE_LEADER = "not_the_leader"
    OWN_CAMPAIGN = "own_campaign"
    REASONS_REQUIRED = "reasons_required"
    STARTS_TOO_SOON = "starts_too_soon"
    PLAN_CHANGED = "plan_changed"
    PLAN_UNLAWFUL = "plan_unlawful"
    POOL_TOO_SMALL = "pool_too_small"
    TOO_LONG = "campaign_too_long"
    AMNESTY_TOO_LATE = "amnesty_too_late"
    AMNESTY_DAYS = "amnesty_days"


OPEN_STATUSES = frozenset({Status.SCHEDULED, Status.ENROLLING, Status.RUNNING, Status.PAUSED})
"""Approved and not over: points are reserved, and the campaign can be extended or cancelled."""

ENDED = frozenset({Status.SETTLED, Status.REJECTED, Status.CANCELLED})


class Joining(StrEnum):
    """What who wants to take part can do now."""

    OPEN = "open"
    LINE = "line"
    FULL = "full"
    PAUSED = "paused"
    SCHEDULED = "scheduled"
    LATE = "late"
    OVER = "over"


def joining(status: Status, day: int, taken: int, plan: CampaignPlan) -> Joining:
    """Tell what somebody meets who wants to join on ``day``, when so many places are ``taken``."""
    if status is Status.SCHEDULED:
        return Joining.SCHEDULED
    if not gives_places(status, day, plan.last_joining_day):
        return Joining.LATE if status in OPEN_STATUSES else Joining.OVER
    if status is Status.PAUSED:
        return Joining.PAUSED
    if taken < plan.capacity:
        return Joining.OPEN
    return Joining.LINE if plan.waiting_list else Joining.FULL


def gives_places(status: Status, day: int, last_day: int) -> bool:
    """Tell whether a place that is free on ``day`` is given away: up to ``last_day``, the last to join on."""
    under_way = status in (Status.RUNNING, Status.PAUSED)
    return status is Status.ENROLLING or (under_way and day <= last_day)


def keeps_joining(status: Status, day: int, last_day: int) -> bool:
    """Tell whether one can join now or later on, so that it is worth inviting somebody."""
    return status is Status.SCHEDULED or gives_places(status, day, last_day)
