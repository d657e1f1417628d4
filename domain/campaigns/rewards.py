"""What a campaign pays, in whole points, and the most that it can ever pay.

A member is paid for check-ins, for streaks, for completion and for friends who became active; the boards
pay prizes to places. The greatest possible total is reserved at the approval, so nothing here may pay more
than :func:`liability`, whatever the members do. That holds for as many paid members as the plan has seats:
who gives a seat back is paid nothing, or the next on it would be paid a second time from the same reserve.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import ceil

from pydantic import BaseModel, ConfigDict, Field

from domain.ballots import exact_share
from domain.campaigns.plan import (
    Board,
    CampaignPlan,
    InvitationMode,
    InvitationPlan,
    RankPrize,
    RewardPlan,
    StreakBonus,
)
from domain.campaigns.ranking import Ranked
from domain.points import PaymentReason


class Record(BaseModel):
    """What one member did, as the settlement sees it: counts of days, and friends who became active.

    ``required`` and ``required_done`` count since the enrolment, without rest days; ``days_done`` and
    ``best_streak`` count check-ins on rest days too.
    """

    model_config = ConfigDict(frozen=True)

    days_done: int = Field(0, ge=0)
    best_streak: int = Field(0, ge=0)
    required: int = Field(0, ge=0)
    required_done: int = Field(0, ge=0)
    friends_activated: int = Field(0, ge=0)


def streak_bonuses(rewards: RewardPlan, best_streak: int) -> tuple[StreakBonus, ...]:
    """Return the bonuses that somebody with that best streak (days) has earned: each threshold once."""
    return tuple(bonus for bonus in rewards.streaks if bonus.days <= best_streak)


def newly_reached(rewards: RewardPlan, best: int, before: int) -> tuple[StreakBonus, ...]:
    """Return the bonuses that a best streak of ``best`` days reaches for the first time.

    ``before`` is the best that there ever was (days): a streak that is lost and built again, or repaired,
    reaches none of them a second time.
    """
    return tuple(bonus for bonus in rewards.streaks if before < bonus.days <= best)


@lru_cache(maxsize=4096)
def days_needed(required: int, share: float) -> int:
    """Return how many of ``required`` days complete a campaign: the share rounded up, at least one."""
    return max(1, ceil(exact_share(share) * required))


def is_complete(record: Record, rewards: RewardPlan) -> bool:
    """Tell whether a member has completed the campaign."""
    return record.required_done >= days_needed(record.required, rewards.completion_share)


def invitation_points(plan: InvitationPlan, friends_activated: int) -> int:
    """Return the points for friends who became active: so many a friend, capped, inside only."""
    if plan.mode is not InvitationMode.INSIDE:
        return 0
    return plan.points * min(friends_activated, plan.rewarded_at_most)


def member_points(plan: CampaignPlan, record: Record, *, cut_short: bool = False) -> dict[PaymentReason, int]:
    """Return what one member is paid for the own record, by kind; kinds that pay nothing are left out.

    A campaign that was ``cut_short`` pays what was earned until then. Nobody can have completed it.
    """
    rewards = plan.rewards
    complete = not cut_short and is_complete(record, rewards)
    points = {
        PaymentReason.CHECK_IN: rewards.check_in * record.days_done,
        PaymentReason.STREAK: sum(bonus.points for bonus in streak_bonuses(rewards, record.best_streak)),
        PaymentReason.COMPLETION: rewards.completion if complete else 0,
        PaymentReason.INVITATION: invitation_points(plan.invitations, record.friends_activated),
    }
    return {kind: paid for kind, paid in points.items() if paid}


def prizes_paid(plan: CampaignPlan, board: Board) -> tuple[RankPrize, ...]:
    """Return the prizes that ``board`` can pay: places that the seats reach, and none for outside sharing."""
    if board is Board.INVITATIONS and plan.invitations.mode is not InvitationMode.INSIDE:
        return ()
    return tuple(
        prize for prize in plan.rewards.ranks if prize.board is board and prize.place <= plan.capacity
    )


def prize_each(plan: CampaignPlan, board: Board, place: int, tied: int) -> int:
    """Return what each of the ``tied`` who share ``place`` is paid.

    The prizes of all places that a tie takes up are put together and split in whole points; what cannot
    be split stays in the reserve. So a tie never costs more than the places that it takes.
    """
    pot = sum(prize.points for prize in prizes_paid(plan, board) if place <= prize.place < place + tied)
    return pot // tied


def rank_points(plan: CampaignPlan, board: Board, lines: Iterable[Ranked]) -> dict[str, int]:
    """Return what the ``lines`` of a board are paid, by person; who gets nothing is left out.

    A campaign that was cut short has no winners: its boards are not paid.
    """
    paid = {line.person_id: prize_each(plan, board, line.place, line.tied) for line in lines}
    return {person_id: points for person_id, points in paid.items() if points}


def liability_each(plan: CampaignPlan) -> int:
    """Return the most that one member can be paid without a prize; no streak outlasts the campaign."""
    rewards = plan.rewards
    streaks = sum(bonus.points for bonus in streak_bonuses(rewards, plan.length_days))
    return rewards.check_in * plan.length_days + streaks + rewards.completion + plan.invitations.liability


def liability(plan: CampaignPlan) -> int:
    """Return the most points that the whole campaign can pay: what its approval reserves."""
    prizes = sum(prize.points for board in Board for prize in prizes_paid(plan, board))
    return plan.capacity * liability_each(plan) + prizes
