"""The ledger against a naive one, step by step: Hypothesis looks for a story in which they differ."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select

from db.postgres import postgres_engine
from db.repositories import point_checks, points
from db.sqlite import sqlite_engine
from db.tables.points import point_accounts, point_transfers
from db.urls import normalise_url
from domain.points import (
    AlreadyReversed,
    InsufficientPoints,
    KeyReused,
    NotReversible,
    Payment,
    PaymentReason,
    Source,
    available_of,
    reserve_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

keys = st.sampled_from("abcdef")
campaigns = st.sampled_from(["one", "two"])
people = st.sampled_from(["ann", "bob", "eve"])
reasons = st.sampled_from([PaymentReason.STREAK, PaymentReason.COMPLETION])
amounts = st.integers(1, 60)
payments = st.lists(
    st.builds(Payment, people, st.integers(1, 20), reasons),
    min_size=1,
    max_size=4,
    unique_by=lambda payment: (payment.person_id, payment.reason),
)


class Ledger(RuleBasedStateMachine):
    """Every rule does the same thing to the ledger and to three dictionaries."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.conn = engine.connect()
        # Never committed: the next story begins with an empty ledger.
        self.conn.begin()
        self.held: dict[str, int] = defaultdict(int)
        # What each key booked: kind, reference and moves.
        self.booked: dict[str, tuple[str, str, dict[str, int]]] = {}
        self.undone: dict[str, str] = {}

    def teardown(self) -> None:
        assert [proof for proof in point_checks.verify(self.conn) if proof.wrong] == []
        self.conn.close()

    def expect(self, key: str, kind: str, reference: str, moves: dict[str, int]) -> type[Exception] | None:
        """Book it here too, unless it is there or cannot be; return what the ledger should raise."""
        if key in self.booked:
            return None if self.booked[key] == (kind, reference, moves) else KeyReused
        if any(self.held[name] + amount < 0 for name, amount in moves.items() if name != "issued:"):
            return InsufficientPoints
        self.booked[key] = (kind, reference, moves)
        for name, amount in moves.items():
            self.held[name] += amount
        return None

    def run_step(self, step: Any, expected: type[Exception] | None) -> Any:
        if expected is None:
            return step()
        with pytest.raises(expected):
            step()
        return None

    @rule(key=keys, amount=amounts, source=st.sampled_from(list(Source)))
    def deposit(self, key: str, amount: int, source: Source) -> None:
        expected = self.expect(key, f"deposit {source}", "x", {"issued:": -amount, "pool:": amount})
        given: dict[str, Any] = {"source": source, "reference": "x", "actor_id": None, "at": NOW}
        self.run_step(lambda: points.deposit(self.conn, key=key, amount=amount, **given), expected)

    @rule(key=keys, campaign=campaigns, amount=amounts)
    def reserve(self, key: str, campaign: str, amount: int) -> None:
        moves = {"pool:": -amount, reserve_of(campaign).id: amount}
        expected = self.expect(key, "reservation", campaign, moves)
        self.run_step(lambda: points.reserve(self.conn, campaign, amount, key=key, at=NOW), expected)

    @rule(key=keys, campaign=campaigns)
    def release(self, key: str, campaign: str) -> None:
        account = reserve_of(campaign).id
        amount = left = self.held[account]
        expected: type[Exception] | None = None
        if key in self.booked:
            kind, reference, moves = self.booked[key]
            expected = None if (kind, reference) == ("release", campaign) else KeyReused
            amount = moves.get("pool:", 0)
        elif left:
            expected = self.expect(key, "release", campaign, {account: -left, "pool:": left})
        found = self.run_step(lambda: points.release(self.conn, campaign, key=key, at=NOW), expected)
        assert expected or found == amount

    @rule(campaign=campaigns, prefix=st.sampled_from("pq"), given=payments)
    def pay(self, campaign: str, prefix: str, given: list[Payment]) -> None:
        account, before = reserve_of(campaign).id, (dict(self.held), dict(self.booked))
        expected: type[Exception] | None = None if reserve_exists(self, campaign) else InsufficientPoints
        new = 0
        for payment in given:
            key = f"{prefix}:{payment.person_id}:{payment.reason.value}"
            moves = {account: -payment.amount, available_of(payment.person_id).id: payment.amount}
            if key in self.booked and self.booked[key] != ("payment", campaign, moves):
                expected = expected or KeyReused
            elif key not in self.booked:
                new += 1
                self.booked[key] = ("payment", campaign, moves)
                for name, amount in moves.items():
                    self.held[name] += amount
        if expected is None and self.held[account] < 0:
            expected = InsufficientPoints
        found = self.run_step(
            lambda: points.pay(self.conn, campaign, given, key_prefix=prefix, at=NOW), expected
        )
        if expected:
            self.held, self.booked = defaultdict(int, before[0]), before[1]
        else:
            assert found == new

    @precondition(lambda self: self.booked)
    @rule(data=st.data(), key=keys)
    def reverse(self, data: st.DataObject, key: str) -> None:
        first = data.draw(st.sampled_from(sorted(self.booked)))
        kind, reference, moves = self.booked[first]
        expected: type[Exception] | None
        if not kind.startswith(("deposit", "payment")):
            expected = NotReversible
        elif self.undone.get(first, key) != key:
            expected = AlreadyReversed
        else:
            mirror = {name: -amount for name, amount in moves.items()}
            expected = self.expect(key, f"reversal of {first}", reference, mirror)
            if expected is None:
                self.undone[first] = key
        statement = select(point_transfers.c.id).where(point_transfers.c.key == first)
        transfer_id = self.conn.execute(statement).scalar_one()
        self.run_step(
            lambda: points.reverse(self.conn, transfer_id, key=key, at=NOW, actor_id=None), expected
        )

    @invariant()
    def the_same_balances(self) -> None:
        rows = self.conn.execute(select(point_accounts.c.id, point_accounts.c.balance))
        held = {row.id: row.balance for row in rows if row.balance}
        assert held == {name: amount for name, amount in self.held.items() if amount}

    @invariant()
    def the_same_transfers(self) -> None:
        assert set(self.conn.execute(select(point_transfers.c.key)).scalars()) == set(self.booked)


def reserve_exists(machine: Ledger, campaign: str) -> bool:
    statement = select(point_accounts.c.id).where(point_accounts.c.id == reserve_of(campaign).id)
    return machine.conn.execute(statement).scalar() is not None


def search(engine: Engine, stories: int) -> None:
    class Here(Ledger):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(
        Here, settings=settings(max_examples=stories, stateful_step_count=20, deadline=None)
    )


def test_no_story_is_found_on_sqlite(sqlite_url: str) -> None:
    engine = sqlite_engine(normalise_url(sqlite_url))
    search(engine, 30)
    engine.dispose()


def test_no_story_is_found_on_postgresql(postgres_url: str) -> None:
    engine = postgres_engine(normalise_url(postgres_url))
    search(engine, 12)
    engine.dispose()
