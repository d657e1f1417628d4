"""Invitations: their steps, whose a new participant is, and what the law forbids."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns.invitations import (
    BLOCKING,
    ENDED,
    Attribution,
    Click,
    InvitationRefusal,
    PlanWarning,
    address_key,
    advance,
    attribute,
    expires_at,
    lookalike_key,
    warnings,
)
from domain.campaigns.invitations import InvitationStatus as S
from domain.campaigns.plan import CampaignPlan
from domain.process import Refused

TRACK = [S.CREATED, S.SENT, S.OPENED, S.JOINED, S.ACTIVATED, S.REWARDED]
statuses = st.sampled_from(S)


@pytest.mark.parametrize(
    ("status", "wanted", "after"),
    [
        (S.CREATED, S.SENT, S.SENT),
        (S.CREATED, S.OPENED, S.OPENED),  # a link is never sent
        (S.CREATED, S.JOINED, S.JOINED),  # the code was typed in
        (S.SENT, S.OPENED, S.OPENED),
        (S.OPENED, S.OPENED, S.OPENED),
        (S.OPENED, S.SENT, S.OPENED),  # told late
        (S.JOINED, S.OPENED, S.JOINED),
        (S.JOINED, S.ACTIVATED, S.ACTIVATED),
        (S.ACTIVATED, S.REWARDED, S.REWARDED),
        (S.REWARDED, S.OPENED, S.REWARDED),
        (S.OPENED, S.EXPIRED, S.EXPIRED),
        (S.EXPIRED, S.EXPIRED, S.EXPIRED),
        (S.ACTIVATED, S.REJECTED, S.REJECTED),  # a finding of fraud, or severed by the invited
    ],
)
def test_steps(status: S, wanted: S, after: S):
    assert advance(status, wanted) is after


@pytest.mark.parametrize(
    ("status", "wanted", "refusal"),
    [
        (S.OPENED, S.ACTIVATED, InvitationRefusal.WRONG_STATUS),
        (S.CREATED, S.REWARDED, InvitationRefusal.WRONG_STATUS),
        (S.JOINED, S.REWARDED, InvitationRefusal.WRONG_STATUS),  # never before the friend was active
        (S.JOINED, S.EXPIRED, InvitationRefusal.WRONG_STATUS),
        (S.EXPIRED, S.JOINED, InvitationRefusal.CLOSED),
        (S.REJECTED, S.ACTIVATED, InvitationRefusal.CLOSED),
        (S.REWARDED, S.REJECTED, InvitationRefusal.CLOSED),
        (S.REJECTED, S.EXPIRED, InvitationRefusal.CLOSED),
    ],
)
def test_steps_that_cannot_be(status: S, wanted: S, refusal: InvitationRefusal):
    with pytest.raises(Refused) as refused:
        advance(status, wanted)
    assert refused.value.refusal is refusal


@settings(deadline=None)
@given(st.lists(statuses, max_size=12))
def test_a_reward_comes_once_and_only_after_joining_and_activity(events: list[S]):
    status, been = S.CREATED, [S.CREATED]
    for wanted in events:
        try:
            after = advance(status, wanted)
        except Refused:
            continue
        assert status not in ENDED or after is status
        if after is not status:
            been.append(after)
        status = after
    walked = [one for one in been if one in TRACK]
    assert walked == sorted(walked, key=TRACK.index)
    assert len(been) == len(set(been))
    if S.REWARDED in been:
        assert been[-3:] == [S.JOINED, S.ACTIVATED, S.REWARDED]


def test_how_long_one_is_valid():
    made = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert expires_at(made, 30) == datetime(2026, 3, 31, 12, tzinfo=UTC)


NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
TICK = timedelta(microseconds=1)


def click(inviter: str, before: timedelta, invitation: str = "") -> Click:
    return Click(invitation_id=invitation or f"of-{inviter}", inviter_id=inviter, at=NOW - before)


def attributed(*clicks: Click, **changed: Any) -> Attribution | None:
    values: dict[str, Any] = {"oneself": {"me"}, "joined_at": NOW, "window_days": 7, "known_since": None}
    return attribute(clicks, **(values | changed))


def inviter(*clicks: Click, **changed: Any) -> str | None:
    found = attributed(*clicks, **changed)
    return found.inviter_id if found else None


def test_the_last_click_within_the_window_wins():
    assert inviter(click("a", 2 * TICK), click("b", TICK), click("c", 3 * TICK)) == "b"
    assert inviter(click("a", WEEK)) == "a"
    assert inviter(click("a", WEEK + TICK)) is None
    assert inviter(click("a", timedelta(0))) == "a"
    assert inviter(click("a", -TICK)) is None  # after joining
    assert inviter() is None


def test_nobody_invites_oneself_under_any_account():
    assert inviter(click("me", TICK)) is None
    assert inviter(click("a", WEEK), click("me", TICK)) == "a"
    assert inviter(click("second-me", TICK), oneself={"me", "second-me"}) is None


def test_the_first_join_decides_for_good():
    first = Attribution(invitation_id="of-a", inviter_id="a", new_member=True)
    assert attributed(click("b", TICK), earlier=first) == first


@pytest.mark.parametrize(
    ("known_since", "new"),
    [(None, True), (NOW - WEEK, False), (NOW - TICK, False), (NOW, True)],
)
def test_who_was_known_at_the_click_is_no_new_member(known_since: datetime | None, new: bool):
    found = attributed(click("a", TICK), known_since=known_since)
    assert found is not None
    assert found.new_member is new


names = st.sampled_from(["me", "a", "b", "c"])
clicks = st.lists(
    st.builds(
        click, names, st.integers(-3, 10).map(lambda days: timedelta(days=days)), st.sampled_from("xyz")
    ),
    max_size=8,
)


@settings(deadline=None)
@given(clicks, st.integers(1, 10), st.randoms(use_true_random=False))
def test_attribution_equals_the_naive_search_and_no_order_of_rows_matters(made, window, random):
    last: Click | None = None
    for one in sorted(made, key=lambda c: (c.at, c.invitation_id)):
        if one.inviter_id != "me" and 0 <= (NOW - one.at).days <= window and one.at <= NOW:
            last = one
    shuffled = list(made)
    random.shuffle(shuffled)
    found = attributed(*shuffled, window_days=window)
    assert (found and found.invitation_id) == (last and last.invitation_id)


def test_addresses():
    assert address_key("L.i.Na+friend@Gmail.com") == address_key("lina@googlemail.com")
    assert address_key("li.na@example.org") != address_key("lina@example.org")
    assert lookalike_key("li.na+x@example.org") == lookalike_key("l_i-na@example.org")
    assert lookalike_key("lina@example.org") != lookalike_key("lina@example.com")
    assert lookalike_key("---@example.org") == "---@example.org"


@settings(deadline=None)
@given(st.emails(), st.emails())
def test_one_mailbox_always_looks_alike(one: str, other: str):
    if address_key(one) == address_key(other):
        assert lookalike_key(one) == lookalike_key(other)
    assert address_key(address_key(one)) == address_key(one)
    assert lookalike_key(lookalike_key(one)) == lookalike_key(one)


def plan(invitations: dict[str, Any], board: str | None = None, **rewards: Any) -> CampaignPlan:
    ranks = [{"board": board, "place": 1, "points": 10}] if board else []
    values = {
        "starts_on": date(2026, 3, 1),
        "invitations": invitations,
        "rewards": rewards | {"ranks": ranks},
    }
    return CampaignPlan.model_validate(values)


@pytest.mark.parametrize(
    ("invitations", "board", "expected"),
    [
        ({}, None, ()),
        ({}, "streak", ()),
        ({}, "invitations", (PlanWarning.HEADCOUNT_PRIZES,)),
        ({"mode": "off"}, None, ()),
        ({"mode": "off"}, "invitations", (PlanWarning.PRIZES_WITHOUT_INVITATIONS,)),
        ({"mode": "outside", "goal": 0, "points": 0}, None, ()),
        ({"mode": "outside", "goal": 0}, None, (PlanWarning.OUTSIDE_POINTS,)),
        ({"mode": "outside", "points": 0}, None, (PlanWarning.OUTSIDE_GOAL,)),
        ({"mode": "outside", "goal": 0, "points": 0}, "invitations", (PlanWarning.OUTSIDE_PRIZES,)),
        ({"activating_check_ins": 2}, None, (PlanWarning.WEAK_ACTIVATION,)),
        ({"activating_check_ins": 2, "points": 0}, None, ()),  # nothing is paid
        ({"rewarded_at_most": 11, "points": 1}, None, (PlanWarning.HIGH_CAP,)),
        ({"rewarded_at_most": 10, "points": 11}, None, ()),  # 110: as much as oneself can earn
        ({"rewarded_at_most": 3, "points": 37}, None, (PlanWarning.INVITATIONS_DOMINATE,)),
    ],
)
def test_what_the_editor_says(invitations: dict[str, Any], board: str | None, expected: tuple):
    assert warnings(plan(invitations, board)) == expected


def test_what_pays_for_headcount_or_for_outside_sharing_cannot_be_handed_in():
    assert {PlanWarning.HEADCOUNT_PRIZES, PlanWarning.OUTSIDE_PRIZES} == BLOCKING
