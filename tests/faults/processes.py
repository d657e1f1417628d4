"""The processes that faults are done to, and the nursery that they come from."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.processes import die_with_parent, tail
from tests.support.children import alive

START_SECONDS = 120.0
GONE_SECONDS = 60.0


async def until_gone(pid: int, seconds: float = GONE_SECONDS) -> None:
    """Return once the process is gone."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        await asyncio.sleep(0.01)


class Nursery:
    """Starts processes; all of them end with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        self._pids: list[int] = []
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, kind: str, log: Path, env: Mapping[str, str], given: Mapping[str, Any]) -> int:
        """Start a process and return its pid."""
        order = {"kind": kind, "log": str(log), "env": dict(env), "given": dict(given)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._pids.append(int(self._answer()))
        return self._pids[-1]

    def clear(self) -> None:
        """End everything that it started."""
        for pid in self._pids:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._pids.clear()

    def close(self) -> None:
        """End it and everything that it started."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@dataclass
class Victim:
    """One process that can be killed and started again."""

    nursery: Nursery
    kind: str
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    ready_file: Path | None = None
    pid: int = 0

    def spawn(self) -> None:
        """Start it, and return at once."""
        if self.ready_file is not None:
            self.ready_file.unlink(missing_ok=True)
        self.pid = self.nursery.start(self.kind, self.log, self.env, self.given)

    async def ready(self) -> None:
        """Return once it has touched its ready file."""
        assert self.ready_file is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            # In this order: it may become ready and die between two looks.
            running = alive(self.pid)
            if self.ready_file.exists():
                return
            assert running, f"{self.kind} ended at once:\n{tail(self.log, 30)}"
            assert time.monotonic() < deadline, f"{self.kind} is not ready:\n{tail(self.log, 30)}"
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL it, and return once it is gone."""
        if alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        await until_gone(self.pid)

    async def stop(self) -> None:
        """End it politely, and return once it is gone."""
        if alive(self.pid):
            os.kill(self.pid, signal.SIGTERM)
        await until_gone(self.pid)
