"""Keeping several programs running: started in order, started again when they die, stopped in order."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from engine import processes
from engine.cache import Report
from engine.errors import EngineError

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 15.0
# A program that ran this long was well: its next death starts with the first pause again.
WELL_AFTER_SECONDS = 30.0
POLL_SECONDS = 0.1


@dataclass
class Program:
    """One program to keep running. `ready` tells, without raising, whether it serves."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready: Callable[[], bool]
    start_seconds: float = 60.0
    grace_seconds: float = 20.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_again_at: float | None = None

    def start(self) -> None:
        """Start it now."""
        self.process = processes.spawn(self.command, self.env, self.log)
        self.started_at = time.monotonic()
        self.start_again_at = None

    def has_died(self) -> bool:
        """Tell whether it was started and is no more."""
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self) -> float:
        """Note its death and return how many seconds to pause before it is started again."""
        now = time.monotonic()
        self.deaths = 0 if now - self.started_at > WELL_AFTER_SECONDS else self.deaths + 1
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** max(0, self.deaths - 1), LAST_PAUSE_SECONDS)
        self.start_again_at = now + pause
        self.process = None
        return pause


@dataclass
class Supervisor:
    """Runs programs until a signal comes: `launch` each, then `keep_running`, and always `stop_all`."""

    report: Report
    programs: list[Program] = field(default_factory=list)
    stopping: bool = False
    _signals: int = 0

    def listen(self) -> None:
        """From now on SIGINT and SIGTERM ask for an orderly stop, and a second one for a quick stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self._signals += 1

    def launch(self, program: Program) -> None:
        """Start a program without waiting for it."""
        if not self.stopping:
            self.programs.append(program)
            program.start()

    def wait_ready(self, program: Program) -> None:
        """Wait until a launched program serves, or a stop is asked for.

        Raises EngineError, with the end of its log, if it dies or is not ready in time.
        """
        deadline = time.monotonic() + program.start_seconds
        while not self.stopping and program.process is not None:
            processes.require_alive(program.process, program.name, program.log)
            if program.ready():
                return
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{program.name} was not ready after {program.start_seconds:.0f} s; see {program.log}"
                )
            time.sleep(POLL_SECONDS / 2)

    def run_once(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> bool:
        """Run a program to its end, or until a stop is asked for; returns whether it ended well.

        Meanwhile the others are looked after: it may need what dies.
        """
        process = processes.spawn(command, env, log)
        try:
            while process.poll() is None and not self.stopping:
                self._look_after_all()
                time.sleep(POLL_SECONDS)
        finally:
            processes.stop(process, 5)
        if process.returncode != 0 and not self.stopping:
            self.report(f"{name} failed (exit {process.returncode}); {log} ends with:\n{processes.tail(log)}")
        return process.returncode == 0

    def keep_running(self) -> None:
        """Start again whatever dies, each time saying so, until a stop is asked for."""
        while not self.stopping:
            self._look_after_all()
            time.sleep(POLL_SECONDS)

    def _look_after_all(self) -> None:
        for program in self.programs:
            self._look_after(program)

    def _look_after(self, program: Program) -> None:
        if program.has_died() and program.process is not None:
            code = program.process.returncode
            pause = program.plan_restart()
            self.report(f"{program.name} ended (exit {code}, see {program.log}); again in {pause:g} s")
        elif program.start_again_at is not None and time.monotonic() >= program.start_again_at:
            program.start()
            self.report(f"{program.name} is started again")

    def stop_all(self) -> None:
        """Stop every program by its own pid, last started first; by force where politeness does not help."""
        self.stopping = True
        already = self._signals
        for program in reversed(self.programs):
            if program.process is None:
                continue
            program.process.terminate()
            if not self._wait_for_end(program, already):
                self.report(f"{program.name} did not stop by itself; killed")
                program.process.kill()
                program.process.wait()
        self.programs.clear()

    def _wait_for_end(self, program: Program, signals_before: int) -> bool:
        """Wait for the end of a program, not longer than its grace, nor when asked again to stop."""
        assert program.process is not None
        deadline = time.monotonic() + program.grace_seconds
        while program.process.poll() is None:
            if time.monotonic() > deadline or self._signals > max(1, signals_before):
                return False
            time.sleep(POLL_SECONDS / 4)
        return True
