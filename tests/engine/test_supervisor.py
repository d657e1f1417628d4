import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import processes
from engine.errors import EngineError
from engine.supervisor import FIRST_PAUSE_SECONDS, Program, Supervisor
from tests.support.children import alive, until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
SIGNING_OFF = """
import signal, sys, time
def end(*_):
    open({order!r}, "a").write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""
LISTENING = """
import socket, time
server = socket.create_server(("127.0.0.1", {port}))
print("up", flush=True)
time.sleep(60)
"""
POLITE = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    supervisor = Supervisor(said.append)
    yield supervisor
    for program in supervisor.programs:
        if program.process is not None:
            program.process.kill()
            program.process.wait()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def program(tmp_path: Path, name: str, code: str, grace_seconds: float = 5.0) -> Program:
    log = tmp_path / f"{name}.log"
    ready = lambda: log.exists() and "up" in log.read_text()  # noqa: E731
    return Program(name, [sys.executable, "-c", code], os.environ, log, ready, 10.0, grace_seconds)


def pid_of(running: Program) -> int:
    assert running.process is not None
    return running.process.pid


def test_programs_stop_last_started_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("temporal", "worker", "api"):
        running = program(tmp_path, name, SIGNING_OFF.format(order=str(order), name=name))
        supervisor.launch(running)
        supervisor.wait_ready(running)
    supervisor.stop_all()
    assert order.read_text().split() == ["api", "worker", "temporal"]


def test_one_that_ignores_the_request_is_killed_after_its_grace(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    running = program(tmp_path, "stubborn", STUBBORN, grace_seconds=0.3)
    supervisor.launch(running)
    supervisor.wait_ready(running)
    pid = pid_of(running)
    supervisor.stop_all()
    assert not alive(pid)
    assert said == ["stubborn did not stop by itself; killed"]


def test_a_second_signal_does_not_wait_for_the_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.listen()
    running = program(tmp_path, "stubborn", STUBBORN, grace_seconds=60.0)
    supervisor.launch(running)
    supervisor.wait_ready(running)
    os.kill(os.getpid(), signal.SIGINT)
    assert supervisor.stopping
    helper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, {int(signal.SIGINT)})",
        ]
    )
    started = time.monotonic()
    supervisor.stop_all()
    assert time.monotonic() - started < 50
    helper.wait()


def test_what_dies_is_started_again_after_a_pause_that_grows(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    running = program(tmp_path, "frail", POLITE)
    supervisor.launch(running)
    supervisor.wait_ready(running)
    first = pid_of(running)
    os.kill(first, signal.SIGKILL)
    until(running.has_died)
    supervisor._look_after(running)
    assert running.process is None
    until(lambda: time.monotonic() >= (running.start_again_at or 0))
    supervisor._look_after(running)
    assert pid_of(running) != first
    assert said == [
        f"frail ended (exit -9, see {running.log}); again in {FIRST_PAUSE_SECONDS:g} s",
        "frail is started again",
    ]
    assert running.plan_restart() == 2 * FIRST_PAUSE_SECONDS
    pauses = [running.plan_restart() for _ in range(20)]
    assert max(pauses) == 15.0


def test_one_that_cannot_start_is_named_with_the_end_of_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    running = program(tmp_path, "broken", "raise SystemExit('no such luck')")
    supervisor.launch(running)
    with pytest.raises(EngineError, match=r"(?s)broken ended at once \(exit 1\).*no such luck"):
        supervisor.wait_ready(running)


def test_a_task_that_fails_is_reported_and_nothing_more(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "raise SystemExit('bad seed')"]
    assert not supervisor.run_once("seeding", command, os.environ, tmp_path / "seed.log")
    assert len(said) == 1
    assert "bad seed" in said[0]
    assert supervisor.run_once("seeding", [sys.executable, "-c", ""], os.environ, tmp_path / "seed.log")


def test_while_a_task_runs_the_others_are_looked_after(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    running = program(tmp_path, "needed", POLITE)
    supervisor.launch(running)
    supervisor.wait_ready(running)
    started = tmp_path / "again"
    # The task ends well only once what it needs was killed and is there again.
    waits = f"""
import os, pathlib, signal, time
os.kill({pid_of(running)}, signal.SIGKILL)
until = time.monotonic() + 30
while not pathlib.Path({str(started)!r}).exists():
    assert time.monotonic() < until
    time.sleep(0.05)
"""
    running.command = [sys.executable, "-c", f"open({str(started)!r}, 'w').close(); {POLITE}"]
    assert supervisor.run_once("seeding", [sys.executable, "-c", waits], os.environ, tmp_path / "seed.log")
    assert said[-1] == "needed is started again"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own promise, on Linux")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = f"""
import os, sys, time
from pathlib import Path
from engine.processes import spawn
child = spawn([sys.executable, "-c", {STUBBORN!r}], os.environ, Path({str(tmp_path / "child.log")!r}))
print(child.pid, flush=True)
time.sleep(60)
"""
    running = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    pid = int(running.stdout.readline())
    until(lambda: "up" in (tmp_path / "child.log").read_text())
    assert alive(pid)
    running.kill()
    running.wait()
    until(lambda: not alive(pid))


def test_ports(tmp_path: Path) -> None:
    port = processes.free_port()
    assert processes.port_is_free(port)
    assert processes.free_port(port) == port
    code = LISTENING.format(port=port)
    log = tmp_path / "server.log"
    child = processes.spawn([sys.executable, "-c", code], os.environ, log)
    try:
        processes.wait_for_port(port, child, "server", log, 60)
        assert not processes.port_is_free(port)
        assert processes.free_port(port) != port
    finally:
        processes.stop(child, 5)
