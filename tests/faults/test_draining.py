"""Asked to end, API and worker finish what they have begun; and what they tell Prometheus while they run."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from temporalio.client import Client

from domain.ids import new_id
from engine import processes
from engine.visitors import Visitor
from tests.faults.processes import START_SECONDS, Nursery, Victim, until_gone
from tests.faults.world import HOST, Application, World, world
from tests.support.held import writes_held
from tests.support.temporal import PrivateTemporal

pytestmark = pytest.mark.faults

DRAINING_SECONDS = 0.5
"""In which a worker that does not wait for what it has begun would be gone."""
QUIT_SECONDS = 10.0
"""Half of what the API waits for open answers at most: a stream that stands open must not use that up."""


@pytest.fixture
def ports() -> dict[str, int]:
    return {name: processes.free_port() for name in ("worker", "temporal")}


@pytest.fixture
async def here(
    private_temporal: PrivateTemporal,
    nursery: Nursery,
    sqlite_url: str,
    tmp_path: Path,
    ports: dict[str, int],
) -> AsyncIterator[World]:
    asked = {f"KAMENG_{name.upper()}_METRICS_PORT": str(port) for name, port in ports.items()}
    async with world(tmp_path, private_temporal, nursery, sqlite_url, settings=asked) as opened:
        await opened.populate()
        await opened.add_applicants("lin", "mo")
        yield opened


async def visitor(here: World, name: str) -> Visitor:
    return await here.door.by_name(f"{name}@{HOST}")


async def until_closed(port: int) -> None:
    """Return once nobody listens on ``port``."""
    async with asyncio.timeout(QUIT_SECONDS):
        while not processes.port_is_free(port):  # noqa: ASYNC110 - another process closes it
            await asyncio.sleep(0.02)


async def told(port: int) -> str:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"http://127.0.0.1:{port}/metrics")).text


def figure(text: str, series: str) -> float:
    """Sum up the samples whose name and labels match ``series``, a pattern."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(series, line))


async def until_busy(port: int, series: str, number: int) -> None:
    """Return once ``series`` of whoever tells its metrics at ``port`` has come to ``number``."""
    async with asyncio.timeout(START_SECONDS):
        while figure(await told(port), series) < number:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_the_api_answers_what_it_has_begun_and_keeps_no_stream_open(
    here: World, sqlite_url: str
) -> None:
    case = Application(here, "lin")
    await case.draft()
    await case.submit()
    mo, lin = await visitor(here, "mo"), await visitor(here, "lin")
    pid, body = here.api.pid, {"headline": "Teaches plain cooking"}
    async with lin.http.stream("GET", f"/applications/{case.id}/events") as stream:
        lines = stream.aiter_lines()
        assert "here" in await anext(lines)
        async with writes_held(sqlite_url):
            begun = asyncio.create_task(mo.send("POST", "/applications", new_id(), json=body))
            # The stream, the request, and the one that asks.
            await until_busy(here.api.given["port"], "kameng_http_requests_in_flight ", 3)
            stopping = asyncio.create_task(here.api.stop())
            async with asyncio.timeout(QUIT_SECONDS):
                async for _ in lines:
                    pass
            assert not begun.done()
            await until_closed(here.api.given["port"])
        answer = await begun
        assert answer.status_code == 201, answer.text
        await until_gone(pid, QUIT_SECONDS)
        await stopping
    await here.start("api")
    assert (await Application(here, "mo", answer.json()["id"]).show())["headline"] == body["headline"]


async def until_asked(here: World) -> None:
    """Return once Temporal has a process of vetting: what the API had to write before is written."""
    client = await Client.connect(here.temporal.address)
    async with asyncio.timeout(START_SECONDS):
        while not (await client.count_workflows("WorkflowType = 'Vetting'")).count:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_the_worker_finishes_the_activity_that_it_has_begun(
    here: World, sqlite_url: str, ports: dict[str, int]
) -> None:
    case = Application(here, "lin")
    await case.draft()
    await here.kill("worker")
    submitting = asyncio.create_task(case.submit())
    await until_asked(here)
    async with writes_held(sqlite_url):
        await here.start("worker")
        slots = r'temporal_worker_task_slots_used\{.*worker_type="LocalActivityWorker"'
        await until_busy(ports["temporal"], slots, 1)
        stopping = asyncio.create_task(here.worker.stop())
        await asyncio.sleep(DRAINING_SECONDS)
        assert not stopping.done()
        assert await case.codes() == []
    await stopping
    assert await case.codes() == ["submitted"]
    await here.start("worker")
    await submitting
    assert await case.codes() == ["submitted"]
    await case.holds()


async def test_api_worker_and_sdk_tell_prometheus_what_they_did(here: World, ports: dict[str, int]) -> None:
    case = Application(here, "lin")
    await case.draft()
    await case.submit()
    worker, sdk, api = (
        await told(ports["worker"]),
        await told(ports["temporal"]),
        await told(here.api.given["port"]),
    )
    recorded = r'kameng_activities_total\{.*activity="vetting\.record".*outcome="done"'
    assert figure(worker, recorded) == 1
    assert figure(worker, r'kameng_activity_seconds_count\{.*"vetting\.record"') == 1
    tried = r'temporal_local_activity_execution_latency_seconds_count\{activity_type="vetting\.record"'
    assert figure(sdk, tried) == 1
    assert figure(sdk, r"temporal_workflow_task_schedule_to_start_latency_seconds_count\{.*vetting") >= 1
    assert figure(api, r"kameng_http_requests_total\{.*/submit.*") == 1


@pytest.mark.parametrize("name", ["WORKER", "TEMPORAL"])
async def test_a_metrics_port_in_use_is_one_line(
    here: World, nursery: Nursery, tmp_path: Path, name: str
) -> None:
    setting, log = f"KAMENG_{name}_METRICS_PORT", tmp_path / "second.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = Victim(nursery, "worker", log, here.worker.env | {setting: str(port)})
        # The first worker has the other one of the two.
        other = {"WORKER": "KAMENG_TEMPORAL_METRICS_PORT", "TEMPORAL": "KAMENG_WORKER_METRICS_PORT"}[name]
        second.env[other] = ""
        second.spawn()
        await until_gone(second.pid)
    [line] = log.read_text().splitlines()
    assert line.startswith(f"kameng: {setting}: metrics cannot be served at 127.0.0.1:{port} (")
    assert "set another port" in line
