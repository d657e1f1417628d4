"""A worker that is killed in the middle of a hand-over: nothing is lost, list mail never comes twice."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from contracts.mail import DispatchOrder
from db.database import Database
from db.tables.mail import mails
from domain.mail import MailTemplate
from engine import processes
from engine.mail_dispatch import ensure_mail_dispatch
from tests.support.mail import add_person, queue_for
from tests.support.sendgrid import LocalSendGrid, Reply

ROOT = Path(__file__).parents[2]
ORDER = DispatchOrder(heartbeat_seconds=2)

pytestmark = [pytest.mark.faults, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.connect(database_url) as db:
        yield db


@pytest.fixture
def start(
    temporal_address: str, temporal_namespace: str, database_url: str, task_queue: str, tmp_path: Path
) -> Iterator[Start]:
    """Starts workers as processes; those still running are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(**values: Any) -> subprocess.Popen[bytes]:
        order = {"address": temporal_address, "namespace": temporal_namespace, "queue": task_queue}
        argument = json.dumps(order | {"database_url": database_url} | values)
        command = [sys.executable, "-m", "tests.support.mail_worker", argument]
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        started.append(processes.spawn(command, environment, tmp_path / "worker.log"))
        return started[-1]

    yield begin
    for process in started:
        processes.stop(process, 10)


async def counts(database: Database) -> dict[str, int]:
    statement = select(mails.c.status, func.count()).group_by(mails.c.status)
    return await database.read(lambda conn: {row[0]: row[1] for row in conn.execute(statement)})


async def until(check: Callable[[dict[str, int]], bool], database: Database, seconds: float = 180) -> None:
    ends = asyncio.get_running_loop().time() + seconds
    while not check(await counts(database)):
        assert asyncio.get_running_loop().time() < ends, await counts(database)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_outbox_misses_nothing(
    temporal_client: Client, task_queue: str, database: Database, start: Start
) -> None:
    total = 3000
    person = await database.write(add_person)
    await database.write(lambda conn: queue_for(conn, person, total, list_mail=True))
    await ensure_mail_dispatch(temporal_client, task_queue, ORDER)
    worker = start()
    await until(lambda now: 0 < now.get("sent", 0) < total, database)
    worker.kill()
    worker.wait()
    start()
    await until(lambda now: now == {"sent": total}, database)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_sendgrid_gets_list_mail_at_most_once_and_decisions_at_least_once(
    temporal_client: Client, task_queue: str, database: Database, start: Start
) -> None:
    person = await database.write(add_person)
    own = await database.write(lambda conn: queue_for(conn, person, 10, template=MailTemplate.CERTIFIED))
    listed = await database.write(lambda conn: queue_for(conn, person, 10, list_mail=True))
    await ensure_mail_dispatch(temporal_client, task_queue, ORDER)
    with LocalSendGrid() as provider:
        worker = start(sendgrid=provider.url)
        # Killed after the provider has the mail and before it could answer.
        provider.script = [Reply(202, seconds=1.0)]
        provider.on_request = worker.kill
        await asyncio.to_thread(worker.wait)
        provider.on_request = lambda: None
        start(sendgrid=provider.url)
        await until(lambda now: not now.keys() - {"sent", "failed"}, database)
        copies = Counter(one.mail_id for one in provider.delivered)
    assert all(copies[mail_id] >= 1 for mail_id in own)
    assert all(copies[mail_id] <= 1 for mail_id in listed)
    assert sum(copies[mail_id] == 2 for mail_id in own) == 10
    status = await database.read(lambda conn: dict(conn.execute(select(mails.c.id, mails.c.status)).all()))
    # What was in the request whose answer was lost is told apart from what failed.
    assert {status[mail_id] for mail_id in own} == {"sent"}
    assert {status[mail_id] for mail_id in listed} <= {"sent", "failed"}
