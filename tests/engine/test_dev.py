"""`kameng dev` as a person meets it: one process to start and stop, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from engine import processes
from tests.support.children import alive, children_of, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
READY_SECONDS = 180.0


class Dev:
    """A running `kameng dev`, and what it prints."""

    def __init__(self, data_dir: Path, output: Path, *arguments: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.output = output
        self.port = processes.free_port()
        command = [sys.executable, "-m", "cli", "dev", "--data-dir", str(data_dir), "--seed", "none"]
        command += arguments or ("--port", str(self.port), "--temporal-port", str(processes.free_port()))
        with output.open("w") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, env={**os.environ, **environment}
            )

    def ready(self) -> "Dev":
        until(lambda: "ready — " in self.output.read_text() or self.process.poll() is not None, READY_SECONDS)
        assert self.process.poll() is None, self.output.read_text()
        return self

    def children(self) -> dict[int, str]:
        return children_of(self.process.pid)

    def child(self, part: str) -> int:
        return next(pid for pid, command in self.children().items() if part in command)

    def temporal_address(self) -> str:
        return str(json.loads((self.data_dir / "running.json").read_text())["temporal"])

    def complaint(self) -> str:
        """Wait until it gives up and return the one line that it says why in."""
        assert self.process.wait(timeout=READY_SECONDS) == 2
        lines = [line for line in self.output.read_text().splitlines() if line.startswith("kameng: ")]
        assert len(lines) == 1
        return lines[0]


@contextmanager
def dev(data_dir: Path, *arguments: str, output: Path | None = None, **environment: str) -> Iterator[Dev]:
    place = output or data_dir.parent / f"output-{processes.free_port()}"
    running = Dev(data_dir, place, *arguments, **environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


async def test_it_runs_heals_stops_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with dev(data_dir) as first:
        first.ready()
        pids = set(first.children())
        assert len(pids) == 3
        client = await Client.connect(first.temporal_address())
        await client.start_workflow(
            "Waiting", id="waiting", task_queue="nobody", execution_timeout=timedelta(hours=1)
        )
        with dev(data_dir) as second:
            assert f"another Kameng (process {first.process.pid}) runs on {data_dir}" in second.complaint()
        api = first.child("cli api")
        os.kill(api, signal.SIGKILL)
        until(lambda: "API is started again" in first.output.read_text())
        assert first.child("cli api") != api
        pids |= set(first.children())
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(timeout=READY_SECONDS) == 0
        assert not [pid for pid in pids if alive(pid)]
        assert first.output.read_text().splitlines()[-1] == "stopped"
    with dev(data_dir) as again:
        again.ready()
        client = await Client.connect(again.temporal_address())
        assert (
            await client.get_workflow_handle("waiting").describe()
        ).status == WorkflowExecutionStatus.RUNNING
        pids = set(again.children())
        again.process.kill()
        again.process.wait()
        until(lambda: not [pid for pid in pids if alive(pid)])


def test_a_port_in_use_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with dev(tmp_path / "data", "--port", str(port)) as running:
            line = running.complaint()
    assert f"port {port} is in use" in line
    assert f"--port {port + 1}, or make run PORT={port + 1}" in line
    assert not (tmp_path / "data" / "temporal.db").exists()


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with dev(tmp_path / "file" / "data", output=tmp_path / "output") as running:
        assert f"{tmp_path / 'file' / 'data'} cannot be written to" in running.complaint()


def test_production_is_not_for_dev(tmp_path: Path) -> None:
    with dev(tmp_path / "data", KAMENG_ENVIRONMENT="production") as running:
        assert "kameng api and kameng worker" in running.complaint()
        assert running.children() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"KAMENG_ENVIRONMENT": "production"},
        {"KAMENG_MAIL_TRANSPORT": "smtp"},
        {"DATABASE_URL": "mysql://x"},
        {"KAMENG_HTTP_HOST": "", "KAMENG_UPLOAD_MAX_FILES": "many"},
    ],
)
def test_settings_are_refused_before_a_temporal_server_is_looked_for(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    # Nothing is on the path and nothing in the cache: it would be downloaded or built.
    empty = {"PATH": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with dev(tmp_path / "data", output=tmp_path / "output", **empty, **wrong) as running:
        running.complaint()
    assert "emporal" not in running.output.read_text()
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "cache").exists()
