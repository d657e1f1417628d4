"""Leaderboards: the places of a naive ranking, page by page, and read as one run of an index."""

import random
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, insert, text, update

from db.database import Database
from db.repositories import leaderboards
from db.repositories.leaderboards import Position
from db.tables.campaigns import enrolments
from db.tables.people import people
from domain.campaigns.members import shard_of
from domain.campaigns.plan import Board
from domain.campaigns.ranking import Score, ranked
from tests.support.campaigns import Campaign, add_people

MANY = 6_000


async def with_scores(db: Database, number: int, most: int) -> tuple[Campaign, list[Score]]:
    """A campaign on day 20 whose members have scores up to ``most``; return those that are shown."""
    campaign, rng = await Campaign.at(db, day=20, capacity=100_000), random.Random(number)

    def write(conn):
        ids = add_people(conn, number)
        scores, entries = [], []
        for person_id in [*ids, campaign.leader]:
            days, friends = rng.randint(0, most), rng.choice((0, 0, 0, 1, 2))
            streak = rng.randint(0, days)
            status = rng.choice(["active"] * 8 + ["left", "waiting"])
            entries.append(
                {
                    "campaign_id": campaign.id,
                    "person_id": person_id,
                    "status": status,
                    "shard": shard_of(person_id),
                    "enrolled_at": datetime.now(UTC),
                    "first_day": 1,
                    "days_done": days,
                    "best_streak": streak,
                    "friends_activated": friends,
                }
            )
            if status == "active":
                scores.append(Score(person_id=person_id, days=days, streak=streak, invitations=friends))
        conn.execute(insert(enrolments), entries)
        hidden = set(ids[: number // 10])
        for one, status in zip(sorted(hidden), ["suspended", "deleted"] * number, strict=False):
            conn.execute(update(people).where(people.c.id == one).values(status=status))
        return [score for score in scores if score.person_id not in hidden]

    return campaign, await db.write(write)


async def pages(campaign: Campaign, board: Board, size: int) -> list[tuple[str, int, int]]:
    lines: list[tuple[str, int, int]] = []
    after: Position | None = None
    while True:
        read = partial(
            leaderboards.page,
            campaign_id=campaign.id,
            leader_id=campaign.leader,
            board=board,
            after=after,
            limit=size,
        )
        found = await campaign.db.read(read)
        lines += [(line.person_id, line.place, line.value) for line in found]
        if len(found) < size:
            return lines
        last = found[-1]
        after = Position(last.number, last.place, last.value, last.second, last.person_id)


async def own_place(campaign: Campaign, board: Board, person_id: str) -> tuple[int, int] | None:
    return await campaign.db.read(
        lambda conn: leaderboards.own(conn, campaign.id, campaign.leader, board, person_id)
    )


@pytest.mark.parametrize("board", list(Board))
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_the_pages_are_the_ranking(db: Database, board: Board, size: int):
    campaign, scores = await with_scores(db, 60, most=5)
    expected = ranked(scores, board, left_out=[campaign.leader])
    assert await pages(campaign, board, size) == [(one.person_id, one.place, one.value) for one in expected]
    shown = {one.person_id: (one.place, one.value) for one in expected}
    for score in scores:
        own = await own_place(campaign, board, score.person_id)
        assert own == shown.get(score.person_id)


async def test_who_has_no_account_or_place_has_no_own_place(db: Database):
    campaign, _ = await with_scores(db, 60, most=5)
    hidden = await campaign.rows(
        text(
            "SELECT e.person_id FROM enrolments e JOIN people p ON p.id = e.person_id "
            "WHERE e.status <> 'active' OR p.status <> 'active'"
        )
    )
    assert hidden
    for row in [*hidden, {"person_id": campaign.leader}, {"person_id": "0" * 36}]:
        assert await own_place(campaign, Board.DAYS, row["person_id"]) is None


@pytest.mark.parametrize("board", list(Board))
async def test_a_page_is_one_run_of_an_index_wherever_it_begins(db: Database, board: Board):
    campaign, scores = await with_scores(db, MANY, most=20)
    await db.write(lambda conn: conn.execute(text("ANALYZE")) and None)
    lines = ranked(scores, board, left_out=[campaign.leader])
    middle = next(score for score in scores if score.person_id == lines[len(lines) // 2].person_id)
    second = middle.streak if board is Board.DAYS else middle.days
    deep = Position(len(lines) // 2, 1, middle.on(board), second, middle.person_id)

    def plans(conn) -> list[str]:
        asked: list[Any] = []

        def note(_conn, _cursor, statement, parameters, _context, _many):
            asked.append((statement, parameters))

        event.listen(conn, "before_cursor_execute", note)
        try:
            for begin in (None, deep):
                leaderboards.page(conn, campaign.id, campaign.leader, board, begin, 25)
            pages_asked = len(asked)
            leaderboards.own(conn, campaign.id, campaign.leader, board, lines[-1].person_id)
        finally:
            event.remove(conn, "before_cursor_execute", note)
        asks = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
        shown = ["\n".join(map(str, conn.exec_driver_sql(asks + one, given))) for one, given in asked]
        return [shown[0], *shown[1:pages_asked], *shown[-2:-1]]

    first, *deeper, ahead = await db.read(plans)
    assert deeper
    # Within a tie two boards have the same run: either index will do.
    assert f"ix_enrolments_{board}" in first, first
    for plan in (first, *deeper):
        assert "ix_enrolments_" in plan, plan
        for slow in ("TEMP B-TREE", "Sort", "SCAN", "Seq Scan", "ix_enrolments_bulk"):
            assert slow not in plan, plan
    if db.dialect == "sqlite":  # PostgreSQL takes its choice by size and by what it has vacuumed
        assert f"COVERING INDEX ix_enrolments_{board}" in ahead, ahead
