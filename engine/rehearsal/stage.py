"""The worker's side of a rehearsal: a directory and a process of its own, and nothing left of them.

The process gets neither the database's address nor Temporal's: what it does cannot reach anything real.
The kernel ends it with the worker; a directory that a killed worker left is found by its lock, which
nobody holds any more.
"""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from activities.rehearsals import StageFailed, Told
from contracts.rehearsals import LONGEST, RehearsalFailure, Script
from domain.campaigns.forecast import Forecast
from domain.ids import new_id
from engine import processes
from engine.cache import compiling_once, exclusive, try_lock
from engine.temporal_binary import at_hand

SCRIPT, PROGRESS, FORECAST, LOG, LOCK, SERVER = (
    "script.json",
    "progress",
    "forecast.json",
    "rehearsal.log",
    "lock",
    "temporal",
)
LOOK_SECONDS: Final = 0.5
STOP_SECONDS: Final = 10.0
FOREIGN: Final = ("KAMENG_", "TEMPORAL_", "SENDGRID_", "DATABASE_URL", "PG")

log: Any = structlog.get_logger("kameng.rehearsal")


def command(place: Path) -> list[str]:
    """Return the command that carries out what lies in ``place``."""
    return [sys.executable, "-m", "worker", "--rehearse", str(place)]


class OwnStage:
    """Rehearsals in ``directory``, on the Temporal program that this machine has."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._environ = os.environ if environ is None else environ

    async def perform(self, script: Script, told: Told) -> Forecast | None:
        """Carry ``script`` out and return the forecast, None if asked to stop. Raises ``StageFailed``.

        Must be called from the main thread, whose end is also the end of what it starts.
        """
        program = await asyncio.to_thread(at_hand, self._environ)
        if program is None:
            raise StageFailed(RehearsalFailure.NO_SERVER)
        self.sweep()
        with self._place() as place:
            (place / SCRIPT).write_text(script.model_dump_json())
            (place / SERVER).write_text(str(program.path))
            return await self._watched(place, told)

    async def _watched(self, place: Path, told: Told) -> Forecast | None:
        env = {name: value for name, value in self._environ.items() if not name.startswith(FOREIGN)}
        compiling_once(env)
        process = processes.spawn(command(place), env, place / LOG)
        gives_up_at = time.monotonic() + LONGEST.total_seconds()
        try:
            while True:
                code = process.poll()
                if not await told(_day(place)):
                    return None
                if code is not None:
                    return self._result(place, code)
                if time.monotonic() > gives_up_at:
                    raise StageFailed(RehearsalFailure.TOO_SLOW)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await asyncio.shield(asyncio.to_thread(processes.stop, process, STOP_SECONDS))

    @staticmethod
    def _result(place: Path, code: int) -> Forecast:
        if code != 0:
            log.error("rehearsal ended", code=code, said=processes.tail(place / LOG, 40))
            raise RuntimeError(f"the process of the rehearsal ended with {code}")
        return Forecast.model_validate_json((place / FORECAST).read_text())

    @contextmanager
    def _place(self) -> Iterator[Path]:
        place = self._directory / new_id()
        with self._door():
            place.mkdir(mode=0o700)
            lock = (place / LOCK).open("w")
            try_lock(lock)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            lock.close()

    @contextmanager
    def _door(self) -> Iterator[None]:
        """Hold the directory itself, so that nobody sweeps what is just being made."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with exclusive(self._directory / ".lock", lambda _: None, "making room"):
            yield

    def sweep(self) -> int:
        """Remove what workers that were killed left behind; return how many places there were."""
        if not self._directory.exists():
            return 0
        with self._door():
            return sum(_cleared(place) for place in sorted(self._directory.iterdir()) if place.is_dir())


def _cleared(place: Path) -> bool:
    try:
        with (place / LOCK).open("a") as lock:
            if not try_lock(lock):
                return False
            shutil.rmtree(place, ignore_errors=True)
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
    return not place.exists()


def _day(place: Path) -> int:
    with suppress(OSError, ValueError):
        return int((place / PROGRESS).read_text())
    return 0
