"""Bulk work in one, two or eight shards does the same; what a page asks and holds does not grow."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select, text, update

from contracts.base import campaign_process_id
from contracts.campaigns import BulkInput
from db.database import Database
from db.repositories import campaign_bulk, point_checks, points, settlements
from db.repositories import check_ins as taking
from db.tables.campaigns import check_ins, enrolments
from db.tables.campaigns import settlements as settlement_rows
from db.tables.mail import mails
from db.tables.people import people
from db.tables.points import point_accounts, point_transfers
from domain.campaigns.members import shard_of, shard_ranges
from domain.campaigns.rewards import liability
from domain.ids import new_id
from domain.points import Source
from tests.support.campaigns import NOTE, Campaign, add_people

OVER, MEMBERS = 4, 60
NOW = datetime(2026, 3, 6, tzinfo=UTC)


async def crowded(db: Database, members: int) -> Campaign:
    """A campaign on the day after `OVER`, whose members have gone on, stopped, left, or come late."""
    campaign = await Campaign.at(db, day=OVER + 1, capacity=max(members, 200))
    plan = (await campaign.rules()).plan

    def write(conn: Connection) -> None:
        ids = sorted(add_people(conn, members))
        conn.execute(insert(enrolments), [enrolment(campaign.id, n, one) for n, one in enumerate(ids)])
        rows = [check_in(campaign.id, one, day) for n, one in enumerate(ids) for day in days_of(n)]
        conn.execute(insert(check_ins), rows)
        conn.execute(update(people).where(people.c.id == ids[6]).values(status="suspended"))
        most = liability(plan)
        points.deposit(
            conn,
            key=campaign.id,
            amount=most,
            source=Source.SPONSORSHIP,
            reference="a sponsor",
            actor_id=None,
            at=NOW,
        )
        points.reserve(conn, campaign.id, most, key=f"{campaign.id}:reservation", at=NOW)
        campaign.members = ids

    await db.write(write)
    return campaign


def days_of(number: int) -> tuple[int, ...]:
    """What a member has done: all, today too, today but not yesterday, nothing, the first day only."""
    return ((1, 2, 3, 4), (3, 4, 5), (1, 2, 5), (), (1,))[number % 5]


def enrolment(campaign_id: str, number: int, person_id: str) -> dict[str, Any]:
    days = days_of(number)
    streak = {0: 4, 1: 3, 2: 1, 3: 0, 4: 1}[number % 5]
    return {
        "campaign_id": campaign_id,
        "person_id": person_id,
        "status": "left" if number % 11 == 10 else "active",
        "shard": shard_of(person_id),
        "enrolled_at": NOW,
        "first_day": OVER + 1 if number % 13 == 12 else 1,
        "days_done": len(days),
        "last_day": max(days, default=0),
        "streak": streak,
        "best_streak": max(streak, 2 if number % 5 == 2 else 0),
        "missed": OVER - 1 - len([day for day in days if day < OVER]),
        "missed_in_a_row": 2 if number % 5 == 4 else 0,
        "closed_through": OVER - 1,
    }


def check_in(campaign_id: str, person_id: str, day: int) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "day": day,
        "person_id": person_id,
        "id": new_id(),
        "kind": "day",
        "note": NOTE,
        "at": NOW,
    }


def order(campaign: Campaign, first: int, last: int) -> BulkInput:
    return BulkInput(
        campaign_id=campaign.id,
        process_id=campaign_process_id(campaign.id),
        at=NOW,
        first=first,
        last=last,
        day=OVER,
        nudge_after=3,
    )


async def work(campaign: Campaign, shards: int, page: int, *, twice: bool = False) -> dict[str, int]:
    """Close the day and settle, shard by shard, every page again if asked; return the sums of both."""
    sums = {"members": 0, "done": 0, "points": 0}
    for first, last in shard_ranges(shards):
        given = order(campaign, first, last)

        def do(conn: Connection, given: BulkInput = given) -> None:
            prizes = settlements.rank_prizes(conn, given)

            def settle(conn: Connection, given: BulkInput, *rest: Any) -> campaign_bulk.Page:
                return settlements.pay_page(conn, given, prizes, *rest)

            for one_page in (campaign_bulk.close_page, settle):
                after = None
                while (end := one_page(conn, given, after, page, NOW).end) is not None:
                    if twice:
                        one_page(conn, given, after, page, NOW)
                    after = end

        await campaign.db.write(do)
        closed = await campaign.db.read(partial(campaign_bulk.day_sums, given=given))
        paid = await campaign.db.read(partial(settlements.sums, given=given))
        sums["members"] += closed.members
        sums["done"] += closed.done
        sums["points"] += paid.points
    return sums


async def what_came_of_it(campaign: Campaign) -> list[Any]:
    """Every member's counters, settlement, points and letters, by number."""
    number = {person_id: n for n, person_id in enumerate(campaign.members)}
    counters = ("missed", "missed_in_a_row", "streak", "closed_through")
    closed = {
        row["person_id"]: tuple(row[name] for name in counters)
        for row in await campaign.rows(select(enrolments).where(enrolments.c.campaign_id == campaign.id))
    }
    kept = {
        row["person_id"]: tuple(
            value
            for name, value in row.items()
            if name in ("days_done", "completed") or name.endswith("_points")
        )
        for row in await campaign.rows(
            select(settlement_rows).where(settlement_rows.c.campaign_id == campaign.id)
        )
    }
    held = {row["owner"]: row["balance"] for row in await campaign.rows(select(point_accounts))}
    letters: dict[str, list[str]] = {}
    for row in await campaign.rows(select(mails).order_by(mails.c.template)):
        letters.setdefault(row["person_id"], []).append(row["template"])
    return [
        (n, closed[one], kept.get(one), held.get(one, 0), letters.get(one, []))
        for one, n in sorted(number.items())
    ]


async def test_two_and_eight_shards_do_what_one_does(db: Database):
    found = []
    for shards, page in ((1, 1_000), (2, 7), (8, 3)):
        campaign = await crowded(db, MEMBERS)
        sums = await work(campaign, shards, page, twice=shards > 1)
        found.append((sums, await what_came_of_it(campaign)))
    assert found[1] == found[0]
    assert found[2] == found[0]
    sums, members = found[0]
    active = [n for n in range(MEMBERS) if n % 11 != 10 and n % 13 != 12]
    assert sums["members"] == len(active)
    assert sums["done"] == sum(OVER in days_of(n) for n in active)
    for n, (_, _, _, closed_through), kept, balance, letters in members:
        assert closed_through == (OVER if n in active else OVER - 1)
        assert (kept is None) == (n % 11 == 10)
        assert balance == sum(kept[2:]) if kept else balance == 0
        nudged = n in active and n % 5 == 4 and n != 6
        assert letters.count("campaign_nudge") == nudged
        assert letters.count("campaign_result") == (kept is not None and n != 6)
    proofs = [await db.read(check) for check in point_checks.CHECKS]
    assert not [proof for proof in proofs if proof.wrong]


@contextmanager
def counted(conn: Connection) -> Iterator[list[str]]:
    """Note the statements that are sent, savepoints left out."""
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(conn, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(conn, "before_cursor_execute", note)
        asked[:] = [one for one in asked if "SAVEPOINT" not in one.upper()]


@pytest.mark.parametrize("what", ["close", "settle"])
async def test_a_page_asks_as_much_for_many_members_as_for_few(db: Database, what: str):
    campaign = await crowded(db, 400)
    given = order(campaign, 0, 1024)

    def pages(conn: Connection) -> list[int]:
        prizes = settlements.rank_prizes(conn, given)
        asked, after = [], None
        for size in (20, 20, 40, 300):
            with counted(conn) as statements:
                if what == "close":
                    after = campaign_bulk.close_page(conn, given, after, size, NOW).end
                else:
                    after = settlements.pay_page(conn, given, prizes, after, size, NOW).end
            asked.append(len(statements))
        return asked

    first, *more = await db.write(pages)
    # The first has the campaign's rules to read.
    assert len(set(more)) == 1, more
    assert first <= more[0] + 4
    assert more[0] <= 16


async def test_a_page_holds_no_more_however_many_members_there_are(db: Database):
    """The peak of Python's memory over all pages: of a few pages and of many."""
    peaks = []
    for members in (400, 2_400):
        campaign = await crowded(db, members)
        await work(campaign, 1, 100)  # compiles the statements
        await db.write(reopened)
        tracemalloc.start()
        try:
            await work(campaign, 1, 100)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    few, many = peaks
    # Some is what has not been collected yet; the rows of 2,000 members more would be 600 kB at least.
    assert many < few * 1.3 + 150_000, peaks


def reopened(conn: Connection) -> None:
    """Undo the close and the settlement, so that they are done once more."""
    for table in ("point_postings", "point_transfers", "settlements", "mails"):
        which = " WHERE kind = 'payment'" if table == "point_transfers" else ""
        if table == "point_postings":
            which = " WHERE transfer_id IN (SELECT id FROM point_transfers WHERE kind = 'payment')"
        conn.execute(text(f"DELETE FROM {table}{which}"))
    conn.execute(update(enrolments).values(closed_through=OVER - 1))
    left = select(func.count()).select_from(point_transfers).where(point_transfers.c.kind == "payment")
    assert conn.execute(left).scalar_one() == 0


def plans(conn: Connection, work: Callable[[], object]) -> list[tuple[str, str]]:
    """Do ``work`` and return its statements, each with its plan."""
    asked: list[Any] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(conn, "before_cursor_execute", note)
    asks = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
    return [(one, "\n".join(map(str, conn.exec_driver_sql(asks + one, given)))) for one, given in asked]


async def test_who_checks_in_is_looked_up_and_not_searched_among_all(db: Database):
    """A list of one is no reason to read a whole table, however small the table still is."""
    campaign = await crowded(db, 2_000)
    await db.write(lambda conn: conn.execute(text("ANALYZE")) and None)
    own = taking.CheckIn(campaign.id, campaign.members[5], NOTE, id=new_id())

    def looked_up(conn: Connection) -> list[tuple[str, str]]:
        taken: list[Any] = []
        found = plans(conn, lambda: taken.extend(taking.check_in(conn, [own], NOW)))
        assert taken[0].outcome is taking.Taken.COUNTED
        return found

    found = await db.write(looked_up)
    assert sum("enrolments" in statement for statement, _ in found) >= 2
    for _, plan in found:
        for slow in ("SCAN enrolments", "Seq Scan on enrolments", "SCAN check_ins", "Seq Scan on check_ins"):
            assert slow not in plan, plan


async def test_pages_are_read_in_the_order_of_people_without_passing_over_the_same_rows(db: Database):
    """Each page begins where the last one ended: on both databases by the index of bulk work or the key."""
    campaign = await crowded(db, 2_000)
    await db.write(lambda conn: conn.execute(text("ANALYZE")) and None)
    given, middle = order(campaign, 0, 512), sorted(campaign.members)[1_000]

    def closed(conn: Connection) -> list[str]:
        writes = ("UPDATE enrolments", "UPDATE OR FAIL enrolments")
        found = plans(conn, lambda: campaign_bulk.close_page(conn, given, middle, 50, NOW))
        return [plan for one, plan in found if "FROM enrolments" in one or one.startswith(writes)]

    found = await db.write(closed)
    assert len(found) >= 3
    for plan in found:
        assert "person_id>" in plan.replace(" ", "").replace(")::text", ""), plan
        for slow in ("TEMP B-TREE", "SCAN enrolments", "Seq Scan on enrolments", "Seq Scan on check_ins"):
            assert slow not in plan, plan
