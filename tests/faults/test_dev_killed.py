"""kill -9 of `kameng dev` itself: no process stays behind, and started again it goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from engine import processes
from tests.support.children import alive, children_of, until

# Three processes have just started, beside all other tests.
ANSWER_SECONDS = 60
pytestmark = [pytest.mark.faults, pytest.mark.slow]


def _start(directory: Path, port: int, temporal_port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cli", "dev", "--data-dir", str(directory / "data"), "--seed", "none"]
    command += ["--port", str(port), "--temporal-port", str(temporal_port)]
    process = processes.spawn(command, dict(os.environ), directory / "dev.log")
    running = directory / "data" / "running.json"
    until(lambda: running.exists() or process.poll() is not None, 120)
    assert process.poll() is None, processes.tail(directory / "dev.log", 30)
    return process


def test_dev_is_killed_and_goes_on(tmp_path: Path) -> None:
    port, temporal_port = processes.free_port(), processes.free_port()
    base = f"http://127.0.0.1:{port}/api/v1"
    first = _start(tmp_path, port, temporal_port)
    children = children_of(first.pid)
    assert len(children) == 3, children
    asked = {"email": "lin@people.example"}
    httpx2.post(f"{base}/auth/magic-links", json=asked, timeout=ANSWER_SECONDS).raise_for_status()
    first.send_signal(signal.SIGKILL)
    first.wait()
    until(lambda: not any(alive(pid) for pid in children))
    (tmp_path / "data" / "running.json").unlink()
    second = _start(tmp_path, port, temporal_port)
    try:
        outbox = httpx2.Client(base_url=base, timeout=ANSWER_SECONDS)
        until(lambda: _mails(outbox) == [("sign_in", "sent")])
    finally:
        processes.stop(second, 30)


def _mails(http: httpx2.Client) -> list[tuple[str, str]]:
    items = http.get("/dev/outbox", params={"to": "lin@people.example"}).json()["items"]
    return [(mail["template"], mail["status"]) for mail in items]
