"""`kameng ledger verify` proves a ledger that is whole, and finds every kind of damage to one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from db.database import Database
from db.repositories import points
from db.repositories.point_checks import CHECKS, MOST_SHOWN
from db.tables.points import point_accounts, point_days, point_postings, point_transfers
from domain.ids import new_id
from domain.points import POOL, Payment, PaymentReason, Source, available_of, reserve_of
from engine.ledger import verify
from engine.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAMPAIGN, ANN = new_id(), new_id()
KINDS = {check.__name__ for check in CHECKS}


def story(conn: Connection) -> str:
    """Book one of everything; return the reversal's id."""
    given: dict[str, Any] = {"reference": "Tea House", "actor_id": None, "at": NOW}
    points.deposit(conn, key="d1", amount=1000, source=Source.SPONSORSHIP, **given)
    second = points.deposit(conn, key="d2", amount=300, source=Source.COURSE_SHARE, **given)
    points.reserve(conn, CAMPAIGN, 200, key="r1", at=NOW)
    paid = [Payment(ANN, 50, PaymentReason.COMPLETION), Payment(ANN, 5, PaymentReason.STREAK)]
    points.pay(conn, CAMPAIGN, paid, key_prefix="p1", at=NOW)
    points.release(conn, CAMPAIGN, key="l1", at=NOW)
    return points.reverse(conn, second, key="x1", at=NOW, actor_id=None)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.connect(database_url) as database:
        await database.write(story)
        yield database


async def wrong_in(db: Database) -> dict[str, int]:
    """Return the checks that found something, and how much."""
    proofs = [await db.read(check) for check in CHECKS]
    assert {proof.name for proof in proofs} == KINDS
    return {proof.name: proof.wrong for proof in proofs if proof.wrong}


async def test_a_whole_ledger_is_proved_with_numbers(db: Database) -> None:
    lines: list[str] = []
    assert await verify(db, lines.append) == 0
    assert len(lines) == len(CHECKS)
    assert all(line.startswith("ok ") for line in lines)
    assert "ok    7 transfers sum to zero over two postings or more" in lines
    assert "ok    14 postings belong to a transfer and an account" in lines


def _unguard(conn: Connection) -> None:
    """Take the database's own guards away, as a restored copy or a careless hand might."""
    if conn.dialect.name == "postgresql":
        for name_of_table, name in (
            ("point_accounts", "ck_point_accounts_balance"),
            ("point_transfers", "uq_point_transfers_key"),
            ("point_postings", "fk_point_postings_transfer_id"),
            ("point_postings", "fk_point_postings_account_id"),
            ("point_transfers", "fk_point_transfers_reverses"),
        ):
            conn.execute(text(f"ALTER TABLE {name_of_table} DROP CONSTRAINT {name}"))
        conn.execute(text("DROP INDEX uq_point_transfers_reverses"))
        return
    # SQLite drops no constraint: the tables are made again without any.
    for table in (point_postings, point_transfers, point_accounts):
        conn.execute(text(f"CREATE TABLE plain AS SELECT * FROM {table.name}"))
        conn.execute(text(f"DROP TABLE {table.name}"))
        conn.execute(text(f"ALTER TABLE plain RENAME TO {table.name}"))


def _transfer(**values: Any) -> Any:
    row = {
        "id": new_id(),
        "key": new_id(),
        "kind": "deposit",
        "source": "sponsorship",
        "reference": "x",
        "happened_at": NOW,
        "recorded_at": NOW,
    }
    return insert(point_transfers).values(**(row | values))


def _reversal_id(conn: Connection) -> str:
    statement = select(point_transfers.c.id).where(point_transfers.c.key == "x1")
    return str(conn.execute(statement).scalar_one())


def lost_posting(conn: Connection) -> None:
    chosen = point_postings.c.account_id == reserve_of(CAMPAIGN).id
    conn.execute(delete(point_postings).where(chosen, point_postings.c.amount == -50))


def changed_posting(conn: Connection) -> None:
    conn.execute(update(point_postings).where(point_postings.c.amount == -50).values(amount=-49))


def empty_transfer(conn: Connection) -> None:
    conn.execute(_transfer())


def changed_balance(conn: Connection) -> None:
    conn.execute(update(point_accounts).where(point_accounts.c.id == POOL.id).values(balance=1))


def below_zero(conn: Connection) -> None:
    # Booked to the last posting, and yet more than there was.
    thief, poor = new_id(), available_of(ANN)
    rows = [{"id": available_of(thief).id, "kind": "available", "owner": thief, "balance": 100}]
    conn.execute(insert(point_accounts), rows)
    conn.execute(_transfer(id=thief, kind="release", source=None))
    conn.execute(
        insert(point_postings),
        [
            {"transfer_id": thief, "account_id": poor.id, "amount": -100},
            {"transfer_id": thief, "account_id": available_of(thief).id, "amount": 100},
        ],
    )
    less = point_accounts.c.balance - 100
    conn.execute(update(point_accounts).where(point_accounts.c.id == poor.id).values(balance=less))
    conn.execute(update(point_days).where(point_days.c.kind == "release").values(amount=245))


def doubled_key(conn: Connection) -> None:
    twin = new_id()
    conn.execute(_transfer(id=twin, key="r1", kind="reservation", source=None))
    conn.execute(
        insert(point_postings),
        [
            {"transfer_id": twin, "account_id": POOL.id, "amount": -200},
            {"transfer_id": twin, "account_id": reserve_of(CAMPAIGN).id, "amount": 200},
        ],
    )
    balance = point_accounts.c.balance
    for account, amount in ((POOL.id, -200), (reserve_of(CAMPAIGN).id, 200)):
        mine = point_accounts.c.id == account
        conn.execute(update(point_accounts).where(mine).values(balance=balance + amount))
    conn.execute(update(point_days).where(point_days.c.kind == "reservation").values(amount=400))


def posting_of_nobody(conn: Connection) -> None:
    conn.execute(delete(point_accounts).where(point_accounts.c.id == available_of(ANN).id))


def crooked_reversal(conn: Connection) -> None:
    mine = point_postings.c.transfer_id == _reversal_id(conn)
    conn.execute(update(point_postings).where(mine).values(amount=point_postings.c.amount / 300 * 299))
    balance = point_accounts.c.balance
    for account, amount in ((POOL.id, 1), ("issued:", -1)):
        chosen = point_accounts.c.id == account
        conn.execute(update(point_accounts).where(chosen).values(balance=balance + amount))
    conn.execute(update(point_days).where(point_days.c.source == "course_share").values(amount=1))


def reversed_twice(conn: Connection) -> None:
    first = select(point_transfers.c.reverses).where(point_transfers.c.key == "x1")
    again, source = new_id(), conn.execute(first).scalar_one()
    conn.execute(_transfer(id=again, kind="reversal", source=None, reverses=source))
    conn.execute(
        insert(point_postings),
        [
            {"transfer_id": again, "account_id": POOL.id, "amount": -300},
            {"transfer_id": again, "account_id": "issued:", "amount": 300},
        ],
    )
    balance = point_accounts.c.balance
    for account, amount in ((POOL.id, -300), ("issued:", 300)):
        chosen = point_accounts.c.id == account
        conn.execute(update(point_accounts).where(chosen).values(balance=balance + amount))
    conn.execute(update(point_days).where(point_days.c.source == "course_share").values(amount=-300))


def wrong_day(conn: Connection) -> None:
    conn.execute(update(point_days).where(point_days.c.kind == "payment").values(amount=56))


def invented_day(conn: Connection) -> None:
    row = {"day": date(2026, 1, 1), "kind": "deposit", "source": "lottery", "amount": 5}
    conn.execute(insert(point_days).values(**row))


DAMAGE: list[tuple[Any, dict[str, int]]] = [
    (lost_posting, {"balanced": 1, "balances": 1}),
    (changed_posting, {"balanced": 1, "balances": 1}),
    (empty_transfer, {"balanced": 1}),
    (changed_balance, {"balances": 1}),
    (below_zero, {"solvent": 1}),
    (doubled_key, {"keys": 1}),
    (posting_of_nobody, {"homeless": 2}),
    (crooked_reversal, {"reversals": 1}),
    (reversed_twice, {"reversals": 1}),
    (wrong_day, {"days": 1}),
    (invented_day, {"days": 1}),
]


@pytest.mark.parametrize(("damage", "found"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
async def test_each_kind_of_damage_is_found(db: Database, damage: Any, found: dict[str, int]) -> None:
    await db.write(_unguard)
    assert await wrong_in(db) == {}
    await db.write(damage)
    assert await wrong_in(db) == found
    lines: list[str] = []
    assert await verify(db, lines.append) == sum(found.values())
    assert sum(line.startswith("fail ") for line in lines) == len(found)


async def test_of_much_damage_the_first_is_shown_and_all_is_counted(db: Database) -> None:
    for _ in range(MOST_SHOWN + 5):
        await db.write(empty_transfer)
    lines: list[str] = []
    assert await verify(db, lines.append) == MOST_SHOWN + 5
    assert len(lines) == len(CHECKS) + MOST_SHOWN + 1
    assert any("and 5 more" in line for line in lines)


def command(url: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "cli", "ledger", "verify"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_the_command_exits_by_what_it_found(db: Database, database_url: str) -> None:
    whole = await asyncio.to_thread(command, database_url)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines()[-1] == "the ledger is whole"
    await db.write(changed_balance)
    damaged = await asyncio.to_thread(command, database_url)
    assert damaged.returncode == 1, damaged.stderr
    assert damaged.stdout.splitlines()[-1] == "1 wrong"
    assert "pool:: says 1, its postings 945" in damaged.stdout


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    for url in (f"postgresql://me@127.0.0.1:{free_port()}/x", f"sqlite:///{tmp_path}/empty.db"):
        done = command(url)
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith("kameng: the database")
