"""The worker process: what it waits for before it takes work."""

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client

import worker
from contracts.base import VETTING_QUEUE, task_queue
from db.migrate import downgrade, upgrade
from engine.processes import free_port
from engine.workers import polling
from settings import Settings
from tests.support.vetting import until

SECONDS = 60


async def told(logged: list[Any], event: str) -> None:
    async def is_told() -> bool:
        return event in [line["event"] for line in logged]

    await until(is_told)


async def test_it_takes_no_work_until_the_database_is_migrated(
    database_url: str,
    settings: Settings,
    temporal_client: Client,
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "LAST_RETRY_SECONDS", 0.5)
    downgrade(database_url)
    values = {"temporal_address": temporal_address, "temporal_namespace": temporal_client.namespace}
    given = settings.model_copy(update=values | {"database_url": database_url})
    stop = asyncio.Event()
    with capture_logs() as logged:
        running = asyncio.create_task(worker.run(given, stop))
        await told(logged, "waiting for the database")
        # It looks again and again, and says so once.
        await asyncio.sleep(2)
        assert [line["event"] for line in logged] == ["waiting for the database"]
        assert logged[0]["reason"] == "it has not been migrated; run: kameng migrate"
        queue = task_queue(given.task_queue_prefix, VETTING_QUEUE)
        assert await polling(temporal_client, queue) == 0
        upgrade(database_url)
        await told(logged, "worker ready")
        stop.set()
        await asyncio.wait_for(running, SECONDS)


async def test_a_database_that_is_away_is_waited_for_and_a_stop_ends_the_waiting(settings: Settings) -> None:
    away = f"postgresql://me:secret@127.0.0.1:{free_port()}/none"
    stop = asyncio.Event()
    with capture_logs() as logged:
        running = asyncio.create_task(worker.run(settings.model_copy(update={"database_url": away}), stop))
        await told(logged, "waiting for the database")
        stop.set()
        await asyncio.wait_for(running, SECONDS)
    assert "secret" not in str(logged)


async def test_looking_at_a_sqlite_database_that_is_not_there_makes_none(
    tmp_path: Path, settings: Settings
) -> None:
    given = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/none.db"})
    stop = asyncio.Event()
    with capture_logs() as logged:
        running = asyncio.create_task(worker.run(given, stop))
        await told(logged, "waiting for the database")
        stop.set()
        await asyncio.wait_for(running, SECONDS)
    assert list(tmp_path.iterdir()) == []


async def test_files_of_a_worker_that_is_started_alone_are_its_owners(
    sqlite_url: str, tmp_path: Path, temporal_client: Client, temporal_address: str
) -> None:
    ready, data = tmp_path / "worker.ready", tmp_path / "data"
    env = os.environ | {
        "DATABASE_URL": sqlite_url,
        "KAMENG_DATA_DIR": str(data),
        "KAMENG_READY_FILE": str(ready),
        "KAMENG_TEMPORAL_ADDRESS": temporal_address,
        "KAMENG_TEMPORAL_NAMESPACE": temporal_client.namespace,
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "worker", env=env, umask=0o022)
    try:

        async def is_ready() -> bool:
            return ready.exists()

        await until(is_ready)
        made = [ready, *data.rglob("*")]
        assert [path.name for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    finally:
        running.terminate()
        await asyncio.wait_for(running.wait(), SECONDS)


async def test_an_api_that_is_made_by_its_factory_keeps_files_to_their_owner(
    sqlite_url: str, tmp_path: Path
) -> None:
    code = "import os; from api.app import create_app; create_app(); print(oct(os.umask(0)))"
    env = os.environ | {"DATABASE_URL": sqlite_url, "KAMENG_DATA_DIR": str(tmp_path / "data")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=env, umask=0o022, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(running.communicate(), SECONDS)
    assert told.decode().strip() == "0o77"
