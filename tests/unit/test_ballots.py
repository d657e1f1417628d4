"""Quorum, tally, receipts and shards of a ballot."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.ballots import BallotOutcome, Tally, exact_share, outcome, quorum, receipt, shard_bounds

counts = st.integers(0, 10**7)
shares = st.integers(1, 1000).map(lambda thousandths: thousandths / 1000)


@pytest.mark.parametrize(
    ("roll", "needed"),
    [
        (0, 5),
        (3, 5),
        (50, 5),
        (51, 6),
        (60, 6),
        (61, 7),
        (100, 10),
        (101, 11),
        (110, 11),
        (1_000_000, 100_000),
    ],
)
def test_the_quorum_is_a_tenth_rounded_up_and_at_least_five(roll: int, needed: int):
    assert quorum(roll, 0.10, 5) == needed


@given(counts, st.integers(1, 1000), st.integers(1, 100))
def test_the_quorum_is_the_least_number_that_reaches_the_share(roll: int, thousandths: int, minimum: int):
    needed = quorum(roll, thousandths / 1000, minimum)
    assert needed >= minimum
    assert needed * 1000 >= roll * thousandths
    assert needed == minimum or (needed - 1) * 1000 < roll * thousandths


@given(shares)
def test_a_share_is_the_decimal_that_was_typed(share: float):
    assert exact_share(share) == Fraction(Decimal(str(share)))


@pytest.mark.parametrize(
    ("yes", "no", "abstain", "roll", "expected"),
    [
        (3, 2, 0, 50, BallotOutcome.PASSED),  # exactly 60 %, exactly the quorum
        (3, 1, 0, 50, BallotOutcome.NO_QUORUM),
        (3, 1, 1, 50, BallotOutcome.PASSED),  # an abstention helps the quorum…
        (2, 2, 6, 100, BallotOutcome.FAILED),  # …and not the approval
        (6, 4, 0, 100, BallotOutcome.PASSED),
        (59, 41, 0, 100, BallotOutcome.FAILED),
        (5, 5, 0, 100, BallotOutcome.FAILED),  # a tie
        (0, 0, 10, 100, BallotOutcome.FAILED),  # nobody says yes
        (0, 0, 0, 100, BallotOutcome.NO_QUORUM),
        (10, 0, 0, 101, BallotOutcome.NO_QUORUM),
        (11, 0, 0, 101, BallotOutcome.PASSED),
        (4, 0, 0, 4, BallotOutcome.NO_QUORUM),  # fewer members than the least quorum
    ],
)
def test_what_a_tally_says(yes: int, no: int, abstain: int, roll: int, expected: BallotOutcome):
    tally = Tally(yes=yes, no=no, abstain=abstain, roll=roll)
    assert outcome(tally, quorum_share=0.10, quorum_minimum=5, approval_share=0.60) is expected


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_the_approval_holds_at_its_exact_share_and_not_a_vote_below(scale: int, percent: int):
    def judge(yes: int, no: int) -> BallotOutcome:
        tally = Tally(yes=yes, no=no, roll=yes + no)
        return outcome(tally, quorum_share=0.1, quorum_minimum=1, approval_share=percent / 100)

    yes, no = percent * scale, (100 - percent) * scale
    assert judge(yes, no) is BallotOutcome.PASSED
    assert judge(yes - 1, no + 1) is BallotOutcome.FAILED


@given(counts, counts, counts, counts, shares, shares)
def test_one_more_yes_never_harms(yes, no, abstain, spare, quorum_share, approval_share):
    def judge(more: int) -> BallotOutcome:
        tally = Tally(yes=yes + more, no=no, abstain=abstain, roll=yes + no + abstain + 1 + spare)
        return outcome(tally, quorum_share=quorum_share, quorum_minimum=1, approval_share=approval_share)

    order = [BallotOutcome.NO_QUORUM, BallotOutcome.FAILED, BallotOutcome.PASSED]
    before, after = judge(0), judge(1)
    assert before is not BallotOutcome.PASSED or after is BallotOutcome.PASSED
    assert order.index(after) >= order.index(before)


def test_votes_are_never_negative():
    with pytest.raises(ValidationError):
        Tally(yes=-1)


words = st.text(min_size=1, max_size=40)


@given(words, words, words)
def test_a_receipt_is_short_repeatable_and_unreadable(ballot: str, person: str, nonce: str):
    made = receipt(ballot, person, nonce)
    assert made == receipt(ballot, person, nonce)
    assert len(made) == 26
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def test_receipts_differ_in_every_part():
    parts = [
        ("b", "p", "n"),
        ("b2", "p", "n"),
        ("b", "p2", "n"),
        ("b", "p", "n2"),
        ("bp", "", "n"),
        ("b", "pn", ""),
    ]
    assert len({receipt(*part) for part in parts}) == len(parts)


@given(st.integers(0, 10**6), st.integers(1, 64))
def test_shards_cover_the_roll_once_and_evenly(roll: int, shards: int):
    bounds = [shard_bounds(roll, shards, shard) for shard in range(shards)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == roll
    assert all(left[1] == right[0] for left, right in pairwise(bounds))
    sizes = Counter(last - first for first, last in bounds)
    assert max(sizes) - min(sizes) <= 1
