"""What a campaign pays: by kind, each once, and never more than was reserved."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns.plan import (
    Board,
    CampaignPlan,
    InvitationMode,
    InvitationPlan,
    RankPrize,
    RewardPlan,
    StreakBonus,
)
from domain.campaigns.ranking import Score, ranked
from domain.campaigns.rewards import (
    Record,
    days_needed,
    invitation_points,
    is_complete,
    liability,
    liability_each,
    member_points,
    newly_reached,
    prize_each,
    prizes_paid,
    rank_points,
    streak_bonuses,
)
from domain.campaigns.streaks import best_streak, standing
from domain.points import PaymentReason

START = date(2026, 3, 1)
BONUSES = (StreakBonus(days=3, points=5), StreakBonus(days=7, points=20))
PRIZES = tuple(RankPrize(place=place, points=points) for place, points in ((1, 100), (2, 50), (3, 30)))


def plan(**changes: Any) -> CampaignPlan:
    rewards = RewardPlan(check_in=2, streaks=BONUSES, completion=50, completion_share=0.8, ranks=PRIZES)
    values = {"starts_on": START, "length_days": 10, "capacity": 5, "rewards": rewards}
    return CampaignPlan.model_validate(values | changes)


FULL = Record(days_done=10, best_streak=10, required=10, required_done=10, friends_activated=3)


def test_what_a_member_is_paid():
    assert member_points(plan(), FULL) == {
        PaymentReason.CHECK_IN: 20,
        PaymentReason.STREAK: 25,
        PaymentReason.COMPLETION: 50,
        PaymentReason.INVITATION: 60,
    }
    assert member_points(plan(), Record()) == {}
    some = Record(days_done=6, best_streak=3, required=10, required_done=6, friends_activated=9)
    assert member_points(plan(), some) == {
        PaymentReason.CHECK_IN: 12,
        PaymentReason.STREAK: 5,
        PaymentReason.INVITATION: 60,  # capped at three friends
    }


def test_a_campaign_cut_short_pays_what_was_earned_and_nobody_has_completed_it():
    paid = member_points(plan(), FULL, cut_short=True)
    assert PaymentReason.COMPLETION not in paid
    assert paid[PaymentReason.CHECK_IN] == 20


@pytest.mark.parametrize(
    ("required", "share", "needed"),
    [
        (10, 0.8, 8),
        (11, 0.8, 9),
        (30, 0.9, 27),
        (10, 0.7, 7),
        (100, 0.07, 7),
        (1, 0.01, 1),
        (0, 0.8, 1),
        (12, 0.85, 11),
        (7, 1, 7),
    ],
)
def test_the_completion_threshold_is_exact_and_rounded_up(required: int, share: float, needed: int):
    assert days_needed(required, share) == needed
    rewards = RewardPlan(completion_share=share)
    assert is_complete(Record(required=required, required_done=needed), rewards)
    assert not is_complete(Record(required=required, required_done=needed - 1), rewards)


@settings(deadline=None)
@given(st.frozensets(st.integers(1, 30)), st.lists(st.integers(1, 30), unique=True), st.integers(1, 20))
def test_a_streak_bonus_is_reached_once_however_the_streak_is_rebuilt(first, later, lost):
    """Check-ins come, some are struck again, others are added, in any order: no threshold comes twice."""
    rewards = plan().rewards
    done: set[int] = set()
    before, reached = 0, list[int]()
    for day in [*sorted(first), *later, *sorted(first)]:
        done.symmetric_difference_update({day})
        if len(done) > lost:
            done.clear()
        best = max(before, best_streak(done, frozenset()))
        new, before = newly_reached(rewards, best, before), best
        reached += [bonus.days for bonus in new]
    assert len(reached) == len(set(reached))
    assert {bonus.days for bonus in streak_bonuses(rewards, best_streak(done, frozenset()))} <= set(reached)


@pytest.mark.parametrize(
    ("place", "tied", "each"),
    [
        (1, 1, 100),
        (2, 1, 50),
        (4, 1, 0),
        (1, 2, 75),
        (1, 3, 60),
        (2, 2, 40),
        (3, 4, 7),
        (1, 7, 25),
        (1, 181, 0),
    ],
)
def test_a_tie_splits_the_prizes_of_the_places_that_it_takes(place: int, tied: int, each: int):
    assert prize_each(plan(), Board.DAYS, place, tied) == each


def test_places_beyond_the_seats_and_other_boards_pay_nothing():
    assert prize_each(plan(capacity=2), Board.DAYS, 3, 1) == 0
    assert prize_each(plan(), Board.STREAK, 1, 1) == 0


@pytest.mark.parametrize("mode", [InvitationMode.OFF, InvitationMode.OUTSIDE])
def test_sharing_outside_is_never_rewarded(mode: InvitationMode):
    prizes = (RankPrize(board=Board.INVITATIONS, place=1, points=500),)
    outside = plan(invitations=InvitationPlan(mode=mode), rewards=RewardPlan(ranks=prizes))
    assert invitation_points(outside.invitations, 3) == 0
    assert prize_each(outside, Board.INVITATIONS, 1, 1) == 0
    assert liability_each(outside) == 2 * 10 + 50
    assert liability(outside) == 5 * 70


def test_the_leader_wins_no_prize_of_the_own_campaign():
    scores = [Score(person_id="leader", days=10), Score(person_id="b", days=9), Score(person_id="c", days=8)]
    assert rank_points(plan(), Board.DAYS, ranked(scores, Board.DAYS, {"leader"})) == {"b": 100, "c": 50}


def test_the_liability_by_hand():
    assert liability(plan()) == 5 * (2 * 10 + 25 + 50 + 3 * 20) + 180
    assert liability(plan(length_days=6)) == 5 * (2 * 6 + 5 + 50 + 60) + 180  # seven in a row cannot be
    assert liability(plan(capacity=2)) == 2 * 155 + 150  # nobody can be third


def test_the_liability_is_reached():
    five = plan()
    lines = ranked([Score(person_id=str(n), days=10 - n) for n in range(5)], Board.DAYS)
    paid = 5 * sum(member_points(five, FULL).values()) + sum(rank_points(five, Board.DAYS, lines).values())
    assert paid == liability(five)


points = st.integers(0, 50)
reward_plans = st.builds(
    RewardPlan,
    check_in=points,
    completion=points,
    completion_share=st.sampled_from([0.01, 0.5, 0.8, 1.0]),
    streaks=st.lists(
        st.builds(StreakBonus, days=st.integers(2, 15), points=points), unique_by=lambda b: b.days, max_size=4
    ).map(tuple),
    ranks=st.lists(
        st.builds(RankPrize, board=st.sampled_from(Board), place=st.integers(1, 8), points=points),
        unique_by=lambda p: (p.board, p.place),
        max_size=8,
    ).map(tuple),
)
invitation_plans = st.builds(
    InvitationPlan,
    mode=st.sampled_from(InvitationMode),
    points=points,
    rewarded_at_most=st.integers(0, 4),
)
campaigns = st.builds(
    CampaignPlan,
    starts_on=st.just(START),
    length_days=st.integers(1, 12),
    capacity=st.integers(1, 6),
    rewards=reward_plans,
    invitations=invitation_plans,
)


@settings(deadline=None)
@given(campaigns, st.data())
def test_whatever_the_members_do_the_rewards_never_exceed_the_liability(campaign: CampaignPlan, data):
    length = campaign.length_days
    members = data.draw(st.integers(0, campaign.capacity))
    rest = data.draw(st.frozensets(st.integers(1, length)))
    cut_short = data.draw(st.booleans())
    # Half of the time everybody does whatever is paid: that is what comes near to the bound.
    eager = data.draw(st.booleans())
    total, scores = 0, []
    for number in range(members):
        first_day = 1 if eager else data.draw(st.integers(1, length))
        every = frozenset(range(first_day, length + 1))
        done = every if eager else data.draw(st.frozensets(st.sampled_from(sorted(every))))
        friends = 10 if eager else data.draw(st.integers(0, 10))
        found = standing(done, length + 1, rest, first_day)
        record = Record(
            days_done=found.days_done,
            best_streak=found.best_streak,
            required=found.required,
            required_done=found.required_done,
            friends_activated=friends,
        )
        total += sum(member_points(campaign, record, cut_short=cut_short).values())
        scores.append(
            Score(person_id=str(number), days=len(done), streak=found.best_streak, invitations=friends)
        )
    for board in Board:
        total += sum(rank_points(campaign, board, ranked(scores, board)).values())
    assert total <= liability(campaign)


@settings(deadline=None)
@given(campaigns, st.lists(st.integers(0, 3), max_size=6))
def test_a_board_pays_what_its_places_are_worth_but_for_what_cannot_be_split(campaign, values):
    """Naively: everybody takes the next place and its prize; then equals put theirs together and share."""
    campaign = campaign.model_copy(update={"capacity": 6})
    scores = [Score(person_id=str(n), days=v, streak=v, invitations=v) for n, v in enumerate(values)]
    for board in Board:
        worth = {prize.place: prize.points for prize in prizes_paid(campaign, board)}
        pots: dict[int, list[int]] = {}
        for place, value in enumerate(sorted((v for v in values if v), reverse=True), start=1):
            pots.setdefault(value, []).append(worth.get(place, 0))
        paid = rank_points(campaign, board, ranked(scores, board))
        for number, value in enumerate(values):
            shares = pots.get(value, [0])
            assert paid.get(str(number), 0) == sum(shares) // len(shares)
        assert sum(paid.values()) <= sum(worth.values())


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 100))
def test_the_days_needed_are_the_fewest_that_reach_the_share(required: int, percent: int):
    needed = days_needed(required, percent / 100)
    assert needed * 100 >= percent * required
    assert needed == 1 or (needed - 1) * 100 < percent * required


@settings(deadline=None)
@given(campaigns)
def test_the_liability_of_a_member_is_what_a_perfect_one_is_paid(campaign: CampaignPlan):
    length, friends = campaign.length_days, campaign.invitations.rewarded_at_most
    perfect = Record(
        days_done=length,
        best_streak=length,
        required=length,
        required_done=length,
        friends_activated=friends,
    )
    assert sum(member_points(campaign, perfect).values()) == liability_each(campaign)


@settings(deadline=None)
@given(campaigns, st.integers(1, 20))
def test_an_extension_never_lowers_the_liability(campaign: CampaignPlan, days: int):
    longer = campaign.model_copy(update={"length_days": campaign.length_days + days})
    assert liability(longer) >= liability(campaign)
