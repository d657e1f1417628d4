"""Something that Kameng needs is away: people are told so in time, nothing is lost, and all goes on after."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
from db.tables.vetting import applications, timeline_entries
from domain.ids import new_id
from engine.timeskip import advance
from engine.visitors import Visitor
from tests.faults.processes import Nursery
from tests.faults.world import CALL_SECONDS, HOST, REVIEWERS, Application, World, world
from tests.support.missing import missing
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


async def refused(
    here: World,
    name: str,
    path: str,
    body: dict[str, Any],
    key: str,
    *,
    version: int | None = None,
    bound: float = BOUND_SECONDS,
) -> httpx2.Response:
    """Send one request and return its answer, which has to be a problem 503 within the bound.

    With the ``version`` that was read the request is a change of it.
    """
    visitor = await here.door.by_name(f"{name}@{HOST}")
    method, headers = ("PATCH", {"If-Match": f'"v{version}"'}) if version else ("POST", {})
    began = time.monotonic()
    answer = await visitor.send(method, path, key, json=body, headers=headers)
    assert time.monotonic() - began < bound
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
    async with write_lock_held(tmp_path / "kameng.db"):
        began = time.monotonic()
        answer = await visitor.send("POST", path, key, json=body)
        assert answer.status_code == 503
        assert answer.json()["code"] in {"database_unavailable", "temporal_unavailable"}
        assert time.monotonic() - began < BOUND_SECONDS + BUSY_SECONDS
    await case.person(REVIEWERS[0]).until_done("review", lambda v: v.post(path, body, key=key))
    assert await case.codes() == ["submitted", "review_request_changes"]


async def test_drafting_while_the_sqlite_file_is_away(here: World, tmp_path: Path) -> None:
    drafting = await Drafting.begin(here)
    async with write_lock_held(tmp_path / "kameng.db"):
        await drafting.is_refused(BOUND_SECONDS + BUSY_SECONDS)
    await drafting.goes_on()


@dataclass
class Drafting:
    """A draft that its author changes and hands in, in vain at first: each request under a key of its own."""

    case: Application
    before: dict[str, Any]
    patch_key: str = field(default_factory=new_id)
    submit_key: str = field(default_factory=new_id)

    @classmethod
    async def begin(cls, here: World) -> "Drafting":
        case = Application(here, "lin")
        await case.draft()
        return cls(case, await case.show())

    @property
    def path(self) -> str:
        return f"/applications/{self.case.id}"

    async def is_refused(self, bound: float = BOUND_SECONDS) -> None:
        """Change the draft and hand it in while the database is away."""
        here, version = self.case.world, self.before["edit_version"]
        changed = await refused(here, "lin", self.path, CHANGE, self.patch_key, version=version, bound=bound)
        submitted = await refused(here, "lin", f"{self.path}/submit", {}, self.submit_key, bound=bound)
        assert {answer.json()["code"] for answer in (changed, submitted)} == {"database_unavailable"}

    async def goes_on(self) -> None:
        """The draft is as it was; each request, sent again by an impatient hand, then takes effect once."""
        here, version = self.case.world, self.before["edit_version"]
        left = await self.case.show()
        assert (left["edit_version"], left["bio"]) == (version, self.before["bio"])
        assert await here.rows(select(timeline_entries)) == []
        changed = await self.thrice(lambda v: v.patch(self.path, CHANGE, version=version, key=self.patch_key))
        assert {(answer["edit_version"], answer["bio"]) for answer in changed} == {
            (version + 1, CHANGE["bio"])
        }
        done = await self.thrice(lambda v: v.post(f"{self.path}/submit", key=self.submit_key))
        assert {answer["status"] for answer in done} == {"credential_review"}
        shown = await self.case.show()
        assert (shown["edit_version"], shown["bio"]) == (version + 1, CHANGE["bio"])
        assert await self.case.codes() == ["submitted"]
        assert (await self.case.letters())["application_received", "applicant"] == 1

    async def thrice(self, ask: Callable[[Visitor], Awaitable[Any]]) -> list[Any]:
        """Send one request three times at once, until each is answered."""
        return await asyncio.gather(*(self.case.person().until_done("draft", ask) for _ in range(3)))


CHANGE = {"bio": "Has cooked for a larger house since."}


@asynccontextmanager
async def write_lock_held(file: Path) -> AsyncIterator[None]:
    """Within the block another process holds the write lock of a SQLite file."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        await holder.stdout.readline()
        yield
    finally:
        holder.kill()
        await holder.wait()


_HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def own_postgres() -> Any:
    """A PostgreSQL of this test's own, to be killed."""
    try:
        server = Postgres.start(DURABLE)
    except PostgresMissing as error:
        missing("POSTGRESQL", error)
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


async def test_drafting_while_postgresql_is_killed(
    private_temporal: PrivateTemporal, nursery: Nursery, own_postgres: Postgres, tmp_path: Path
) -> None:
    url = create_database(own_postgres.admin_url, "kameng")
    upgrade(url)
    async with world(tmp_path, private_temporal, nursery, url) as here:
        await here.populate()
        await here.add_applicants("lin")
        drafting = await Drafting.begin(here)
        own_postgres.crash()
        await drafting.is_refused()
        own_postgres.start_again(DURABLE)
        await drafting.goes_on()


def _vote(nonce: str) -> dict[str, str]:
    return {"choice": "no", "nonce": f"nonce-{nonce}-{'x' * 12}"}


async def _skip_week(temporal: PrivateTemporal, case: Application) -> None:
    """Move the process's clock beyond the vote, without the API, which cannot work now."""
    client = await Client.connect(temporal.address)
    await advance(client, application_process_id(case.id), timedelta(days=7, minutes=1))
