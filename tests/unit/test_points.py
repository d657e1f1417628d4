"""What the ledger's own arithmetic promises, for every input."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points import (
    ISSUED,
    MAX_AMOUNT,
    POOL,
    Account,
    AccountKind,
    Change,
    Payment,
    PaymentReason,
    Source,
    TransferKind,
    available_of,
    check_payments,
    days_of,
    mirrored,
    move,
    payment_key,
    reserve_of,
)

DAY = date(2026, 2, 27)
amounts = st.integers(1, 10_000)


@given(amounts)
def test_a_move_and_its_mirror_sum_to_zero_and_undo_each_other(amount: int) -> None:
    postings = move(ISSUED, POOL, amount)
    assert sum(posting.amount for posting in postings) == 0
    undone = mirrored(postings)
    assert [p.amount + q.amount for p, q in zip(postings, undone, strict=True)] == [0, 0]
    assert mirrored(undone) == postings


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1])
def test_nothing_and_too_much_cannot_be_moved(amount: int) -> None:
    with pytest.raises(ValueError):
        move(ISSUED, POOL, amount)
    with pytest.raises(ValueError):
        check_payments([Payment("p", amount, PaymentReason.STREAK)])


def test_the_same_member_is_paid_once_for_each_reason() -> None:
    streak = Payment("p", 5, PaymentReason.STREAK)
    check_payments([streak, Payment("p", 5, PaymentReason.RANK), Payment("q", 5, PaymentReason.STREAK)])
    with pytest.raises(ValueError):
        check_payments([streak, Payment("p", 6, PaymentReason.STREAK)])


def test_keys_tell_payments_apart() -> None:
    payments = [Payment(person, 1, reason) for person in ("p", "q") for reason in PaymentReason]
    assert len({payment_key("campaign/c:settlement", payment) for payment in payments}) == len(payments)


def test_the_hottest_accounts_are_locked_last() -> None:
    accounts = [POOL, ISSUED, reserve_of("c"), available_of("b"), available_of("a")]
    in_order = sorted(accounts, key=lambda account: account.lock_rank)
    assert in_order == [available_of("a"), available_of("b"), reserve_of("c"), ISSUED, POOL]
    assert len({Account(kind, "x").id for kind in AccountKind}) == len(AccountKind)


changes = st.lists(
    st.builds(
        Change,
        st.integers(0, 40).map(lambda days: DAY + timedelta(days)),
        st.sampled_from([kind for kind in TransferKind if kind is not TransferKind.REVERSAL]),
        st.sampled_from([source.value for source in Source]),
        st.integers(-100, 100),
    ),
    max_size=30,
)


@given(changes, st.integers(0, 50), st.integers(1, 60))
def test_every_day_is_the_sum_of_all_before_it(given: list[Change], until: int, longest: int) -> None:
    today = DAY + timedelta(until)
    days = days_of(given, today, longest)
    if not given:
        assert days == []
        return
    assert len(days) <= longest
    assert days[-1].day == max(today, *(change.day for change in given))
    assert all(later.day - day.day == timedelta(1) for day, later in pairwise(days))
    for day in days:
        total = {
            kind: sum(c.amount for c in given if c.kind is kind and c.day <= day.day) for kind in TransferKind
        }
        assert day.came_in == total[TransferKind.DEPOSIT] == sum(day.by_source.values())
        for source in Source:
            assert day.by_source.get(source.value, 0) == sum(
                c.amount
                for c in given
                if c.kind is TransferKind.DEPOSIT and c.source == source.value and c.day <= day.day
            )
        assert day.paid == total[TransferKind.PAYMENT]
        assert day.left + day.promised + day.paid == day.came_in
        assert day.left == day.came_in - total[TransferKind.RESERVATION] + total[TransferKind.RELEASE]
