"""A whole Kameng in a thread of this process: API and pages on uvicorn, the worker, the demo community."""

import asyncio
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvicorn

from api.app import create_app
from api.outgoing import JoinedWrites
from cli import KEEP_ALIVE_SECONDS
from db.database import Database
from db.migrate import upgrade
from engine.processes import free_port
from engine.seed import seed_demo
from settings import Settings
from tests.support.temporal import new_namespace
from worker import run as run_worker

NAMESPACE: Final = "browser"
START_SECONDS: Final = 300
STOP_SECONDS: Final = 30


def settings_of(directory: Path, temporal_address: str) -> Settings:
    """Return development settings on a free port whose files stay in ``directory``."""
    port = free_port()
    return Settings(
        data_dir=directory,
        public_url=f"http://127.0.0.1:{port}",
        http_port=port,
        temporal_address=temporal_address,
        temporal_namespace=NAMESPACE,
        temporal_ui_url="http://127.0.0.1:8233",
        # As `kameng dev` does: trying out needs no authenticator.
        staff_second_factor=False,
        log_level="WARNING",
    )


@dataclass
class RunningKameng:
    """Kameng on a Temporal server, until ``stop``; every process of the run reaches it by its address."""

    settings: Settings
    seeded: bool = True
    _ready: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    @classmethod
    def start(cls, directory: Path, temporal_address: str, *, seeded: bool = True) -> "RunningKameng":
        """Start it and, if wanted, put the demo community into it (about 10 s)."""
        directory.mkdir(parents=True, exist_ok=True)
        running = cls(settings_of(directory, temporal_address), seeded)
        upgrade(running.settings.database_url)
        running._thread = threading.Thread(target=running._main, name="kameng", daemon=True)
        running._thread.start()
        while not running._ready.wait(0.1):
            if running._error is not None:
                raise RuntimeError("Kameng did not start") from running._error
        return running

    def describe(self) -> dict[str, str]:
        return {"address": self.settings.public_url, "database_url": self.settings.database_url}

    def stop(self) -> None:
        """Stop it, and wait until its thread has ended."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            raise

    async def _serve(self) -> None:
        await new_namespace(self.settings.temporal_address, self.settings.temporal_namespace)
        stop = asyncio.Event()
        server = _Server(_config(self.settings))
        tasks = [asyncio.create_task(server.serve()), asyncio.create_task(run_worker(self.settings, stop))]
        try:
            await asyncio.wait_for(self._populate(server, tasks), START_SECONDS)
            self._ready.set()
            over = asyncio.create_task(asyncio.to_thread(self._over.wait))
            await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=not self._ready.is_set())

    async def _populate(self, server: uvicorn.Server, tasks: list[asyncio.Task[Any]]) -> None:
        while not server.started:
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)
        if self.seeded:
            async with Database.connect(self.settings.database_url) as db:
                await seed_demo(db, self.settings.public_url)


class _Server(uvicorn.Server):
    """uvicorn beside other things in a process: signals are not its business."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        http=JoinedWrites,
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
