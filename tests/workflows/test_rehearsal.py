"""Rehearsals on the real server: a whole one, one that is broken off, and what is left of them: nothing."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import Client

from db.repositories import rehearsals
from db.tables.rehearsals import rehearsals as table
from domain.campaigns.forecast import Forecast
from domain.campaigns.plan import Board
from domain.campaigns.rewards import liability
from engine.rehearsal.stage import OwnStage
from tests.support.rehearsals import Rehearsing, plan_of, rehearsing, script_of
from tests.workflows.rehearsal_paths import PATHS

PATIENCE = 240.0


async def holds(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def places(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.exists() else []


async def processes_of(client: Client) -> set[str]:
    return {one.id async for one in client.list_workflows()}


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_path(name: str, temporal_client: Client, sqlite_url: str, task_queue: str) -> None:
    async with rehearsing(sqlite_url, temporal_client, task_queue, PATHS[name].stage()) as here:
        await PATHS[name].walk(here)


async def performed(here: Rehearsing, **script: Any) -> Forecast:
    rehearsal_id = await here.ask(script_of(**script))
    await (await here.start(rehearsal_id)).result()
    row = await here.row(rehearsal_id)
    assert (row.status, row.failure) == ("done", None)
    return Forecast.model_validate(row.forecast)


@pytest.mark.slow
async def test_a_whole_rehearsal_leaves_no_trace_and_tells_the_same_again(
    temporal_client: Client, database_url: str, task_queue: str, tmp_path: Path
) -> None:
    directory = tmp_path / "rehearsals"
    async with rehearsing(database_url, temporal_client, task_queue, directory=directory) as here:
        before = await here.everything()
        first = await performed(here)
        assert await here.everything() == before
        assert places(directory) == []
        assert first == await performed(here)
        assert first != await performed(here, seed=2)
        found = await processes_of(temporal_client)
        assert all(one.startswith("rehearsal/") for one in found), found
    check(first)


@pytest.mark.slow
@pytest.mark.parametrize("proof", ["link", "picture"])
async def test_every_kind_of_proof_can_be_rehearsed(
    proof: str, temporal_client: Client, sqlite_url: str, task_queue: str, tmp_path: Path
) -> None:
    requirement = {"proofs": [proof], "min_note_characters": 20}
    directory = tmp_path / "rehearsals"
    async with rehearsing(sqlite_url, temporal_client, task_queue, directory=directory) as here:
        forecast = await performed(here, requirement=requirement)
    assert forecast.outcome.check_ins > 0
    assert forecast.outcome.let_through == 0
    assert set(forecast.outcome.refused) == {"already_checked_in", "make_up_day_not_over", "proof_missing"}


def check(forecast: Forecast) -> None:
    """What must hold of every forecast, and what this behaviour makes certain."""
    outcome, plan = forecast.outcome, plan_of()
    assert [day.day for day in forecast.days] == [1, 2]
    assert forecast.liability == liability(plan) == outcome.paid.reserved
    assert 0 < outcome.paid.total <= forecast.liability
    # Who has left is not paid, and their points are not counted among those earned.
    assert forecast.days[-1].earned == outcome.paid.check_in + outcome.paid.streak
    assert 0 < outcome.paid.check_in <= 2 * outcome.check_ins
    assert outcome.paid.completion == 10 * outcome.completed
    assert outcome.check_ins == sum(day.checked_in + day.made_up for day in forecast.days)
    assert outcome.prizes == {Board.DAYS: 1}
    assert 20 <= outcome.members + outcome.left <= 60
    assert outcome.invited > 0
    assert outcome.doubtful > 0
    assert outcome.let_through == 0
    assert set(outcome.refused) == {"already_checked_in", "make_up_day_not_over", "note_too_short"}
    assert outcome.mails_to_members["campaign_result"] == outcome.members
    assert outcome.mails_to_others["campaign_digest"] == 2
    in_days = sum(sum(day.mails.values()) for day in forecast.days)
    assert in_days == forecast.mails


@pytest.mark.slow
async def test_one_that_is_called_off_stops_and_leaves_nothing(
    temporal_client: Client, sqlite_url: str, task_queue: str, tmp_path: Path
) -> None:
    directory = tmp_path / "rehearsals"
    async with rehearsing(sqlite_url, temporal_client, task_queue, directory=directory) as here:
        before = await here.everything()
        rehearsal_id = await here.ask(script_of(length_days=60))
        handle = await here.start(rehearsal_id)

        async def begun() -> bool:
            return any((place / "world.db").exists() for place in places(directory))

        await holds(begun)
        assert await here.cancel(rehearsal_id)
        assert not await here.cancel(rehearsal_id)
        async with asyncio.timeout(30):
            await handle.result()
        row = await here.row(rehearsal_id)
        assert (row.status, row.forecast) == ("cancelled", None)
        assert places(directory) == []
        assert await here.everything() == before


async def test_without_a_server_program_the_answer_says_so(
    temporal_client: Client, sqlite_url: str, task_queue: str, tmp_path: Path
) -> None:
    bare = OwnStage(tmp_path / "rehearsals", {"PATH": "", "XDG_CACHE_HOME": str(tmp_path)})
    async with rehearsing(sqlite_url, temporal_client, task_queue, bare) as here:
        rehearsal_id = await here.ask(script_of())
        await (await here.start(rehearsal_id)).result()
        row = await here.row(rehearsal_id)
        assert (row.status, row.failure) == ("failed", "no_server")


async def test_a_campaign_that_is_deleted_ends_its_rehearsal(
    temporal_client: Client, sqlite_url: str, task_queue: str
) -> None:
    async with rehearsing(sqlite_url, temporal_client, task_queue, PATHS["done"].stage()) as here:
        rehearsal_id = await here.ask(script_of())
        await here.db.write(lambda conn: conn.exec_driver_sql("DELETE FROM campaigns") and None)
        await (await here.start(rehearsal_id)).result()
        assert await here.db.read(lambda conn: rehearsals.get(conn, rehearsal_id)) is None


async def test_an_earlier_try_that_is_still_about_writes_nothing(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    async with rehearsing(database_url, temporal_client, task_queue) as here:
        rehearsal_id = await here.ask(script_of())
        now = (await here.row(rehearsal_id)).asked_at

        def begin(attempt: int) -> Any:
            return here.db.write(lambda conn: rehearsals.begin(conn, rehearsal_id, attempt, now) is not None)

        assert await begin(1)
        assert await begin(2)
        assert not await begin(1)
        assert not await here.db.write(lambda conn: rehearsals.reach(conn, rehearsal_id, 1, 5))
        assert await here.db.write(lambda conn: rehearsals.reach(conn, rehearsal_id, 2, 1))
        assert (await here.row(rehearsal_id)).day == 1


async def test_what_is_overdue_gives_way_and_what_is_old_is_deleted(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    async with rehearsing(database_url, temporal_client, task_queue) as here:
        first = await here.ask(script_of())
        with pytest.raises(AssertionError):
            await here.ask(script_of())
        asked_at = (await here.row(first)).asked_at
        past = update(table).where(table.c.id == first).values(deadline_at=asked_at)
        await here.db.write(lambda conn: conn.execute(past) and None)
        second = await here.ask(script_of())
        assert (await here.row(first)).failure == "broke_off"
        old = update(table).where(table.c.id == first).values(expires_at=asked_at)
        await here.db.write(lambda conn: conn.execute(old) and None)
        await here.db.write(lambda conn: rehearsals.prune(conn, asked_at))
        assert await here.db.read(lambda conn: rehearsals.get(conn, first)) is None
        assert (await here.row(second)).status == "queued"
