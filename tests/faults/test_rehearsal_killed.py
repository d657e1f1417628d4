"""kill -9 of the worker in the middle of a rehearsal: another ends it, and nothing is left behind."""

import asyncio
import time
from pathlib import Path

import pytest
from temporalio.client import Client

from contracts.base import REHEARSAL_QUEUE, task_queue
from tests.faults.processes import Nursery, Victim
from tests.support.children import alive
from tests.support.rehearsals import rehearsing, script_of

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PATIENCE = 240.0


def inside(directory: Path) -> list[int]:
    """Return the processes whose command names something in ``directory``, and their children."""
    found: dict[int, int] = {}
    own: set[int] = set()
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            words = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        found[int(path.name)] = parent
        if str(directory).encode() in words and b"--rehearse" in words:
            own.add(int(path.name))
    return sorted(own | {pid for pid, parent in found.items() if parent in own})


def places(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.exists() else []


async def test_a_killed_worker_leaves_nothing_and_another_goes_on(
    temporal_client: Client, temporal_address: str, sqlite_url: str, nursery: Nursery, tmp_path: Path
) -> None:
    directory = tmp_path / "data" / "rehearsals"
    env = {
        "KAMENG_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": sqlite_url,
        "KAMENG_TEMPORAL_ADDRESS": temporal_address,
        "KAMENG_TEMPORAL_NAMESPACE": temporal_client.namespace,
        "KAMENG_READY_FILE": str(tmp_path / "ready"),
    }
    worker = Victim(nursery, "worker", tmp_path / "worker.log", env, ready_file=tmp_path / "ready")
    async with rehearsing(sqlite_url, temporal_client, task_queue("kameng", REHEARSAL_QUEUE)) as here:
        before = {name: rows for name, rows in (await here.everything()).items() if name != "mails"}
        worker.spawn()
        await worker.ready()
        rehearsal_id = await here.ask(script_of(length_days=4))
        handle = await here.start(rehearsal_id)
        deadline = time.monotonic() + PATIENCE
        while (await here.row(rehearsal_id)).day < 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        players = inside(directory)
        assert len(players) >= 2, "the rehearsal and its server"
        await worker.kill()
        while any(alive(pid) for pid in players):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert len(places(directory)) == 1
        assert (await here.row(rehearsal_id)).status == "running"
        worker.spawn()
        await worker.ready()
        assert places(directory) == [] or (await here.row(rehearsal_id)).attempt > 1
        async with asyncio.timeout(PATIENCE):
            await handle.result()
        row = await here.row(rehearsal_id)
        assert (row.status, row.attempt) == ("done", 2)
        assert places(directory) == []
        assert inside(directory) == []
        after = {name: rows for name, rows in (await here.everything()).items() if name != "mails"}
        assert after == before
