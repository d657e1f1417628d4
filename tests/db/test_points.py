"""The ledger: balanced, booked once, never below zero, whatever runs at once."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, func, select, text

from db.database import Database
from db.repositories import point_checks, points
from db.tables.points import point_accounts, point_days, point_postings, point_transfers
from domain.ids import new_id
from domain.points import (
    POOL,
    AlreadyReversed,
    InsufficientPoints,
    KeyReused,
    NotReversible,
    Payment,
    PaymentReason,
    Source,
    UnknownTransfer,
    available_of,
    payment_key,
    reserve_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPLETION, STREAK = PaymentReason.COMPLETION, PaymentReason.STREAK


def deposit(conn: Connection, amount: int = 1000, key: str = "deposit", **values: Any) -> str:
    given: dict[str, Any] = {
        "source": Source.SPONSORSHIP,
        "reference": "Tea House",
        "actor_id": None,
        "at": NOW,
    }
    return points.deposit(conn, key=key, amount=amount, **(given | values))


def reserve(conn: Connection, campaign: str, amount: int, key: str | None = None) -> str:
    return points.reserve(conn, campaign, amount, key=key or f"campaign/{campaign}:reservation:1", at=NOW)


def pay(conn: Connection, campaign: str, *payments: Payment, at: datetime = NOW) -> int:
    return points.pay(conn, campaign, payments, key_prefix=f"campaign/{campaign}:settlement", at=at)


def pay_page(conn: Connection, campaign: str, page: list[Payment]) -> int:
    return pay(conn, campaign, *page)


def undo(conn: Connection, transfer_id: str, key: str = "undo") -> str:
    return points.reverse(conn, transfer_id, key=key, at=NOW, actor_id=None)


def release(conn: Connection, campaign: str, key: str | None = None) -> int:
    return points.release(conn, campaign, key=key or f"campaign/{campaign}:release", at=NOW)


def held(conn: Connection) -> dict[str, int]:
    rows = conn.execute(select(point_accounts.c.id, point_accounts.c.balance))
    return {row.id: row.balance for row in rows}


async def rows_of(db: Database) -> dict[str, list[Any]]:
    """Everything that the ledger holds."""

    def read(conn: Connection) -> dict[str, list[Any]]:
        tables = (point_accounts, point_transfers, point_postings, point_days)
        return {table.name: sorted(map(tuple, conn.execute(select(table))), key=repr) for table in tables}

    return await db.read(read)


async def sound(db: Database) -> None:
    """Assert that every check finds nothing, each in a snapshot of its own."""
    for check in point_checks.CHECKS:
        proof = await db.read(check)
        assert proof.wrong == 0, proof


@pytest.fixture
async def campaign(db: Database) -> str:
    """A campaign with 300 of the pool's 1,000 points."""
    campaign = new_id()
    await db.write(deposit)
    await db.write(lambda conn: reserve(conn, campaign, 300))
    return campaign


async def test_a_campaign_from_deposit_to_release(db: Database, campaign: str):
    ann, bob = new_id(), new_id()
    given = [Payment(ann, 50, COMPLETION), Payment(ann, 10, STREAK), Payment(bob, 50, COMPLETION)]
    assert await db.write(lambda conn: pay(conn, campaign, *given)) == 3
    assert await db.write(lambda conn: release(conn, campaign)) == 190
    assert await db.read(held) == {
        "issued:": -1000,
        POOL.id: 890,
        reserve_of(campaign).id: 0,
        available_of(ann).id: 60,
        available_of(bob).id: 50,
    }
    balances = await db.read(lambda conn: points.balances(conn, ann))
    assert (balances.available, balances.pending) == (60, 0)
    nobody = await db.read(lambda conn: points.balances(conn, new_id()))
    assert (nobody.available, nobody.pending) == (0, 0)
    await sound(db)


async def test_whatever_is_said_again_is_booked_once(db: Database, campaign: str):
    ann = new_id()
    steps: list[Any] = [
        deposit,
        lambda conn: reserve(conn, campaign, 300),
        lambda conn: pay(conn, campaign, Payment(ann, 50, COMPLETION)),
        lambda conn: release(conn, campaign),
    ]
    first = [await db.write(step) for step in steps]
    before = await rows_of(db)
    again = [await db.write(step) for step in steps]
    assert again == [first[0], first[1], 0, 250]
    assert await rows_of(db) == before
    later = await db.write(lambda conn: deposit(conn, at=NOW + timedelta(days=3)))
    assert later == first[0]
    assert await rows_of(db) == before


async def test_a_key_that_says_something_else_is_refused(db: Database, campaign: str):
    ann = new_id()
    await db.write(lambda conn: pay(conn, campaign, Payment(ann, 50, COMPLETION)))
    before = await rows_of(db)
    wrong: list[Any] = [
        partial(deposit, amount=999),
        partial(deposit, reference="Another"),
        partial(deposit, source=Source.COURSE_SHARE),
        lambda conn: reserve(conn, campaign, 299),
        lambda conn: reserve(conn, new_id(), 300, f"campaign/{campaign}:reservation:1"),
        lambda conn: reserve(conn, campaign, 1000, "deposit"),
        lambda conn: release(conn, campaign, "deposit"),
        lambda conn: release(conn, campaign, f"campaign/{campaign}:reservation:1"),
        lambda conn: pay(conn, campaign, Payment(ann, 51, COMPLETION), Payment(new_id(), 1, COMPLETION)),
    ]
    for step in wrong:
        with pytest.raises(KeyReused):
            await db.write(step)
    assert await rows_of(db) == before


async def test_what_is_not_there_cannot_be_promised_or_paid(db: Database, campaign: str):
    before = await rows_of(db)
    short: list[tuple[Any, int]] = [
        (lambda conn: reserve(conn, new_id(), 701), 700),
        (lambda conn: reserve(conn, campaign, 701, "extension"), 700),
        (lambda conn: reserve(conn, campaign, 10**30, "endless"), 700),
        (lambda conn: pay(conn, campaign, *(Payment(new_id(), 101, STREAK) for _ in range(3))), 300),
        (lambda conn: pay(conn, new_id(), Payment(new_id(), 1, STREAK)), 0),
    ]
    for step, available in short:
        with pytest.raises(InsufficientPoints) as caught:
            await db.write(step)
        assert caught.value.available == available
    assert await rows_of(db) == before


async def test_a_caller_that_goes_on_after_a_refusal_commits_nothing_of_it(db: Database, campaign: str):
    before = await rows_of(db)

    def refused(conn: Connection) -> int:
        found = 0
        for step in (
            lambda: reserve(conn, new_id(), 701),
            lambda: pay(conn, campaign, *(Payment(new_id(), 101, STREAK) for _ in range(3))),
            lambda: deposit(conn, 1),
        ):
            try:
                step()
            except (InsufficientPoints, KeyReused):
                found += 1
        return found

    assert await db.write(refused) == 3
    assert await rows_of(db) == before


async def test_bad_amounts_are_refused(db: Database, campaign: str):
    before = await rows_of(db)
    ann = new_id()
    for amount in (0, -5, 10**13):
        for step in (
            lambda conn, amount=amount: deposit(conn, amount, f"d{amount}"),
            lambda conn, amount=amount: reserve(conn, campaign, min(amount, 0), f"r{amount}"),
            lambda conn, amount=amount: pay(conn, campaign, Payment(ann, amount, STREAK)),
        ):
            with pytest.raises(ValueError):
                await db.write(step)
    with pytest.raises(ValueError):
        await db.write(lambda conn: pay(conn, campaign, Payment(ann, 1, STREAK), Payment(ann, 2, STREAK)))
    assert await rows_of(db) == before
    assert await db.write(lambda conn: pay(conn, campaign)) == 0


async def test_the_database_names_payments_and_accounts_as_the_rules_do(db: Database, campaign: str):
    given = [Payment(new_id(), 1, reason) for reason in PaymentReason]
    await db.write(lambda conn: pay(conn, campaign, *given))
    keys = select(point_transfers.c.key).where(point_transfers.c.kind == "payment")
    credited = select(point_accounts.c.id).where(point_accounts.c.kind == "available")
    assert set(await db.read(lambda conn: conn.execute(keys).scalars().all())) == {
        payment_key(f"campaign/{campaign}:settlement", one) for one in given
    }
    assert set(await db.read(lambda conn: conn.execute(credited).scalars().all())) == {
        available_of(one.person_id).id for one in given
    }


async def test_a_page_half_paid_before_is_finished(db: Database, campaign: str):
    """The half of a page, then the whole: each is paid once, and the reserve pays each once."""
    given = [Payment(new_id(), 1 + n % 3, COMPLETION) for n in range(100)]
    assert await db.write(lambda conn: pay(conn, campaign, *given[::2])) == 50
    assert await db.write(lambda conn: pay(conn, campaign, *given)) == 50
    assert await db.write(lambda conn: pay(conn, campaign, *given)) == 0
    total = sum(payment.amount for payment in given)
    assert (await db.read(held))[reserve_of(campaign).id] == 300 - total
    await sound(db)


async def test_many_chunks_are_one_payment(db: Database):
    campaign, number = new_id(), 12_001
    given = [Payment(new_id(), 2, COMPLETION) for _ in range(number)]
    await db.write(lambda conn: deposit(conn, 3 * number))
    await db.write(lambda conn: reserve(conn, campaign, 2 * number))
    assert await db.write(lambda conn: pay(conn, campaign, *given)) == number
    assert await db.write(lambda conn: pay(conn, campaign, *given[5000:])) == 0
    assert await db.write(lambda conn: release(conn, campaign)) == 0
    assert (await db.read(held))[available_of(given[-1].person_id).id] == 2
    await sound(db)


async def test_postgresql_looks_payments_up_however_few_it_believes_there_are(postgres_url: str):
    """Counted while a large payment is under way, the ledger seems to hold nothing but its two transfers.

    Read through for each payment, it would take minutes.
    """
    campaign = new_id()
    given = [Payment(new_id(), 2, COMPLETION) for _ in range(12_001)]

    def paid(conn: Connection, page: list[Payment], count: bool = False) -> int:
        conn.execute(text("SET LOCAL statement_timeout = '10s'"))
        new = pay(conn, campaign, *page)
        if count:
            with create_engine(conn.engine.url, isolation_level="AUTOCOMMIT").connect() as another:
                another.execute(text("ANALYZE point_accounts, point_transfers, point_postings"))
        return new

    def sound_soon(conn: Connection) -> int:
        conn.execute(text("SET LOCAL statement_timeout = '10s'"))
        return sum(proof.wrong for proof in point_checks.verify(conn))

    async with Database.connect(postgres_url) as db:
        await db.write(lambda conn: deposit(conn, 3 * len(given)))
        await db.write(lambda conn: reserve(conn, campaign, 2 * len(given)))
        assert await db.write(lambda conn: paid(conn, given[:11_900], count=True)) == 11_900
        assert await db.write(lambda conn: paid(conn, given[5000:])) == 101
        assert await db.write(lambda conn: paid(conn, given)) == 0
        assert await db.read(sound_soon) == 0


async def test_two_tasks_that_pay_the_same_page_pay_it_once(db: Database):
    campaign = new_id()
    given = [Payment(new_id(), 3, COMPLETION) for _ in range(400)]
    await db.write(lambda conn: deposit(conn, 3000))
    await db.write(lambda conn: reserve(conn, campaign, 1200))
    order = random.Random(5)
    pages = [order.sample(given, len(given)) for _ in range(6)]
    paid = await asyncio.gather(
        *(db.write(partial(pay_page, campaign=campaign, page=page)) for page in pages)
    )
    assert sorted(paid) == [0, 0, 0, 0, 0, 400]
    assert (await db.read(held))[reserve_of(campaign).id] == 0
    await sound(db)


async def test_of_many_promises_at_once_only_what_is_there_is_made(db: Database):
    await db.write(lambda conn: deposit(conn, 1000))
    outcomes = await asyncio.gather(
        *(db.write(lambda conn: reserve(conn, new_id(), 150)) for _ in range(20)), return_exceptions=True
    )
    assert Counter(type(outcome) for outcome in outcomes) == {str: 6, InsufficientPoints: 14}
    assert (await db.read(held))[POOL.id] == 100
    await sound(db)


async def test_released_once_by_many_at_once(db: Database, campaign: str):
    given = await asyncio.gather(*(db.write(lambda conn: release(conn, campaign)) for _ in range(8)))
    assert given == [300] * 8
    assert (await db.read(held))[POOL.id] == 1000
    assert await db.write(lambda conn: release(conn, new_id())) == 0
    await sound(db)


async def test_a_deposit_is_reversed_once_and_only_while_it_is_there(db: Database, campaign: str):
    first = await db.write(lambda conn: deposit(conn, 700, "second"))
    done = await asyncio.gather(*(db.write(lambda conn: undo(conn, first)) for _ in range(4)))
    assert len(set(done)) == 1
    assert (await db.read(held))[POOL.id] == 700
    before = await rows_of(db)
    older = await db.read(
        lambda conn: conn.execute(
            select(point_transfers.c.id).where(point_transfers.c.key == "deposit")
        ).scalar_one()
    )
    promised = await db.read(
        lambda conn: conn.execute(
            select(point_transfers.c.id).where(point_transfers.c.kind == "reservation")
        ).scalar_one()
    )
    for transfer_id, error in {
        first: AlreadyReversed,
        done[0]: NotReversible,
        promised: NotReversible,
        new_id(): UnknownTransfer,
        older: InsufficientPoints,
    }.items():
        with pytest.raises(error):
            await db.write(partial(undo, transfer_id=transfer_id, key="other"))
    assert await rows_of(db) == before
    await sound(db)


async def test_a_payment_reversed_goes_back_to_the_reserve(db: Database, campaign: str):
    ann = new_id()
    await db.write(lambda conn: pay(conn, campaign, Payment(ann, 50, COMPLETION), Payment(ann, 7, STREAK)))
    [streak, _] = sorted(
        await db.read(lambda conn: points.entries(conn, ann)), key=lambda entry: entry.available
    )
    await db.write(lambda conn: points.reverse(conn, streak.id, key="undo", at=NOW, actor_id=ann))
    assert (await db.read(held))[available_of(ann).id] == 50
    assert (await db.read(held))[reserve_of(campaign).id] == 250
    newest = (await db.read(lambda conn: points.entries(conn, ann)))[0]
    assert (newest.kind, newest.available, newest.reverses) == ("reversal", -7, streak.id)
    await sound(db)


async def test_entries_are_paged_newest_first(db: Database, campaign: str):
    ann, bob = new_id(), new_id()
    for day, reason in enumerate(PaymentReason):
        at = NOW + timedelta(days=day)
        both = [Payment(ann, 5, reason), Payment(bob, 6, reason)]
        await db.write(
            partial(points.pay, campaign_id=campaign, payments=both, key_prefix=f"day-{day}", at=at)
        )
    seen: list[points.Entry] = []
    before = None
    while page := await db.read(partial(points.entries, person_id=ann, before=before, limit=2)):
        seen += page
        before = page[-1].id
    assert [entry.reason for entry in seen] == [reason.value for reason in reversed(PaymentReason)]
    assert {(entry.available, entry.pending, entry.reference) for entry in seen} == {(5, 0, campaign)}
    assert seen[0].happened_at == NOW + timedelta(days=4)
    assert await db.read(lambda conn: points.entries(conn, new_id())) == []


async def test_random_transfers_of_many_tasks(db: Database):
    """Whatever gets through: balanced, no account below zero, every key once, balances are the sums."""
    first_seed = random.SystemRandom().randrange(10**9)
    print(f"seed {first_seed}")
    dice = random.Random(first_seed)
    people, campaigns = [new_id() for _ in range(12)], [new_id() for _ in range(4)]
    await db.write(lambda conn: deposit(conn, 2000))
    booked: Counter[str] = Counter()

    def step(conn: Connection, seed: int) -> str:
        own = random.Random(seed)
        campaign, kind = own.choice(campaigns), own.randrange(6)
        if kind == 0:
            deposit(conn, own.randint(1, 200), f"deposit-{seed}")
        elif kind == 1:
            reserve(conn, campaign, own.randint(1, 400), f"reservation-{seed}")
        elif kind == 2:
            release(conn, campaign, f"release-{seed % 16}-{campaign}")
        elif kind == 3:
            chosen = select(point_transfers.c.id).order_by(point_transfers.c.id)
            ids = list(conn.execute(chosen).scalars())
            points.reverse(conn, own.choice(ids), key=f"reversal-{seed}", at=NOW, actor_id=None)
        else:
            chosen_people = own.sample(people, own.randint(1, 8))
            prefix = f"campaign/{campaign}:{own.randrange(6)}"
            payments = [Payment(person, 5, STREAK) for person in chosen_people]
            points.pay(conn, campaign, payments, key_prefix=prefix, at=NOW)
        return f"done-{kind}"

    async def task(seeds: list[int]) -> None:
        for seed in seeds:
            try:
                booked[await db.write(partial(step, seed=seed))] += 1
            except (InsufficientPoints, NotReversible, AlreadyReversed) as refused:
                booked[type(refused).__name__] += 1

    seeds = [dice.randrange(10**9) for _ in range(160)]
    await asyncio.gather(*(task(seeds[first::16]) for first in range(16)))
    assert all(booked[f"done-{kind}"] for kind in range(6)), booked
    await sound(db)

    def totals(conn: Connection) -> tuple[int, int, int]:
        lowest = select(func.min(point_accounts.c.balance)).where(point_accounts.c.kind != "issued")
        numbers = select(func.count(), func.count(func.distinct(point_transfers.c.key)))
        every, keys = conn.execute(numbers.select_from(point_transfers)).one()
        return conn.execute(lowest).scalar_one(), every, keys

    lowest, every, keys = await db.read(totals)
    assert lowest >= 0
    assert every == keys > 16
