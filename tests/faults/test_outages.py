"""Something that Kameng needs is away: people are told so in time, nothing is lost, and all goes on after."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from temporalio.client import Client

from contracts.base import application_process_id
from db.migrate import upgrade
from db.sqlite import BUSY_SECONDS
from db.tables.vetting import applications
from domain.ids import new_id
from engine.timeskip import advance
from tests.faults.processes import Nursery
from tests.faults.world import CALL_SECONDS, HOST, REVIEWERS, Application, World, world
from tests.support.postgres import OPTIONS, Postgres, PostgresMissing, create_database
from tests.support.temporal import PrivateTemporal

pytestmark = pytest.mark.faults

BOUND_SECONDS = CALL_SECONDS + 20
"""By when an answer comes: the call's own bound, and as much again as a busy machine may need."""
DURABLE = OPTIONS | {"synchronous_commit": "on"}


@pytest.fixture
async def here(
    private_temporal: PrivateTemporal, nursery: Nursery, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    """The world, with one applicant."""
    async with world(tmp_path, private_temporal, nursery, sqlite_url) as opened:
        await opened.populate()
        await opened.add_applicants("lin")
        yield opened


async def refused(here: World, name: str, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
    """Send one request and return its answer, which has to be a problem 503 within the bound."""
    visitor = await here.door.by_name(f"{name}@{HOST}")
    began = time.monotonic()
    answer = await visitor.send("POST", path, key, json=body)
    assert time.monotonic() - began < BOUND_SECONDS
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    return answer


async def test_temporal_is_down(here: World) -> None:
    case, key = Application(here, "lin"), new_id()
    await case.draft()
    before = await here.rows(select(applications))
    await here.kill("temporal")
    submit = f"/applications/{case.id}/submit"
    answer = await refused(here, "lin", submit, {}, key)
    assert answer.json()["code"] == "temporal_unavailable"
    assert await here.rows(select(applications)) == before
    whole = await case.show()
    assert (whole["status"], whole["editable"]) == ("draft", True)
    await here.start("temporal")
    done = await case.person().until_done("submit", lambda visitor: visitor.post(submit, key=key))
    assert done["status"] == "credential_review"
    again = await (await here.door.by_name(f"lin@{HOST}")).send("POST", submit, key, json={})
    assert again.headers["idempotency-replayed"] == "true"
    assert await case.codes() == ["submitted"]


@pytest.mark.parametrize("away", ["worker", "temporal"])
async def test_a_decision_sent_again_under_its_key_takes_effect_once(here: World, away: str) -> None:
    case, key = Application(here, "lin"), new_id()
    await case.draft()
    await case.submit()
    path = f"/applications/{case.id}/review"
    body = {"decision": "request_changes", "reasons": ["incomplete"], "note": "Please say more."}
    await here.kill(away)
    answer = await refused(here, REVIEWERS[0], path, body, key)
    assert answer.json()["code"] == "temporal_unavailable"
    await here.start(away)
    reviewer = case.person(REVIEWERS[0])
    answers = await asyncio.gather(
        *(reviewer.until_done("review", lambda visitor: visitor.post(path, body, key=key)) for _ in range(3))
    )
    assert {answer["stage"] for answer in answers} == {"changes_requested"}
    assert await case.codes() == ["submitted", "review_request_changes"]
    letters = await case.letters()
    assert letters["changes_requested", "applicant"] == 1


async def test_the_sqlite_file_is_away(here: World, tmp_path: Path) -> None:
    """The file becomes unusable for everybody who writes: another process holds its write lock."""
    case, key = Application(here, "lin"), new_id()
    await case.draft()
    await case.submit()
    path = f"/applications/{case.id}/review"
    body = {"decision": "request_changes", "reasons": ["incomplete"], "note": "Please say more."}
    visitor = await here.door.by_name(f"{REVIEWERS[0]}@{HOST}")
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(tmp_path / "kameng.db"), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    began = time.monotonic()
    answer = await visitor.send("POST", path, key, json=body)
    assert answer.status_code == 503
    assert answer.json()["code"] in {"database_unavailable", "temporal_unavailable"}
    assert time.monotonic() - began < BOUND_SECONDS + BUSY_SECONDS
    holder.kill()
    await holder.wait()
    await case.person(REVIEWERS[0]).until_done("review", lambda v: v.post(path, body, key=key))
    assert await case.codes() == ["submitted", "review_request_changes"]


_HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def own_postgres() -> Any:
    """A PostgreSQL of this test's own, to be killed."""
    try:
        server = Postgres.start(DURABLE)
    except PostgresMissing as error:
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {error}")
    yield server
    server.stop()
    shutil.rmtree(server.directory, ignore_errors=True)


async def test_postgresql_is_killed(
    private_temporal: PrivateTemporal, nursery: Nursery, own_postgres: Postgres, tmp_path: Path
) -> None:
    """The API says so, the process's own deadline waits for the database, and both go on after."""
    url = create_database(own_postgres.admin_url, "kameng")
    upgrade(url)
    async with world(tmp_path, private_temporal, nursery, url) as here:
        await here.populate()
        await here.add_applicants("lin")
        case, key = Application(here, "lin"), new_id()
        await case.draft()
        await case.submit()
        await case.approve()
        receipts = await case.votes(7)
        ballot_id = (await case.show())["ballot_id"]
        await here.door.by_name(f"member8@{HOST}")
        own_postgres.crash()
        answer = await refused(here, "member8", f"/ballots/{ballot_id}/votes", _vote("late"), key)
        assert answer.json()["code"] == "database_unavailable"
        counting = asyncio.create_task(_skip_week(private_temporal, case))
        await asyncio.sleep(0.5)
        own_postgres.start_again(DURABLE)
        await counting
        await case.holds()
        assert (await case.show())["stage"] == "probation"
        found = await case.person("member0").get(f"/ballots/{ballot_id}/receipts")
        assert set(found["items"]) == set(receipts)


def _vote(nonce: str) -> dict[str, str]:
    return {"choice": "no", "nonce": f"nonce-{nonce}-{'x' * 12}"}


async def _skip_week(temporal: PrivateTemporal, case: Application) -> None:
    """Move the process's clock beyond the vote, without the API, which cannot work now."""
    client = await Client.connect(temporal.address)
    await advance(client, application_process_id(case.id), timedelta(days=7, minutes=1))
