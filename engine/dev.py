"""`kameng dev`: the whole of Kameng on one machine, with nothing to set up beforehand."""

import asyncio
import http.client
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.urls import shown
from engine import processes
from engine.cache import Report, compiling_once, try_lock, writable
from engine.errors import EngineError
from engine.supervisor import Program, Supervisor
from engine.temporal_binary import locate
from engine.temporal_command import command_line
from settings import Settings, SettingsError, load_settings

TEMPORAL_PORT = 7233
UI_AWAY = 1000
"""How far the web UI's port is from its server's, as with `temporal server start-dev`."""
SEEDED, RUNNING = "seeded", "running.json"


@dataclass(frozen=True)
class DevOptions:
    """What a person chooses: where data is kept, where the API listens, and what is in it at first."""

    data_dir: Path
    port: int
    seed: str = "demo"
    temporal_port: int | None = None


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data directory. Raises EngineError if another Kameng runs on it."""
    with (data_dir / ".lock").open("a+") as file:
        if not try_lock(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise EngineError(
                f"another Kameng (process {owner}) runs on {data_dir}; stop it, or take another --data-dir"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def require_settings(options: DevOptions) -> None:
    """Refuse production, and settings that nothing can start with, before minutes go into Temporal."""
    settings = load_settings({"data_dir": options.data_dir}, check=False)
    if settings.production:
        raise EngineError("kameng dev is for trying out; in production run kameng api and kameng worker")
    if problems := settings.problems():
        raise SettingsError(problems)


def require_port(port: int) -> None:
    """Raise EngineError if something else listens on the API's port."""
    if not processes.port_is_free(port):
        other = f"--port {port + 1}, or make run PORT={port + 1}"
        raise EngineError(f"port {port} is in use by another program; take another one: {other}")


def secret_of(data_dir: Path) -> str:
    """Return this data directory's own secret key, made at the first start, so that sessions stay valid."""
    path = data_dir / "secret"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text()


def log_file(data_dir: Path, name: str) -> Path:
    """Return the log of a program for this run; the one of the run before is kept beside it."""
    logs = data_dir / "logs"
    logs.mkdir(exist_ok=True)
    path = logs / f"{name}.log"
    if path.exists():
        path.replace(logs / f"{name}.log.1")
    return path


def answers(port: int, path: str) -> bool:
    """Tell whether HTTP on loopback answers this path with success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def temporal_program(options: DevOptions, report: Report) -> tuple[Program, str, str]:
    """Return the dev server to run, its address and its web UI's."""
    binary = locate(report).path
    port = options.temporal_port or processes.free_port(TEMPORAL_PORT)
    ui_port = processes.free_port(port + UI_AWAY)
    if options.temporal_port and not processes.port_is_free(options.temporal_port):
        raise EngineError(
            f"port {port} is in use by another program; take another one: --temporal-port {port + 1}"
        )
    command = command_line(binary, port, ui_port, options.data_dir / "temporal.db")
    env = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}

    def ready() -> bool:
        return not processes.port_is_free(port)

    program = Program(
        "Temporal", command, env, log_file(options.data_dir, "temporal"), ready, grace_seconds=10
    )
    return program, f"127.0.0.1:{port}", f"http://127.0.0.1:{ui_port}"


def environment(options: DevOptions, temporal_address: str | None, ui_url: str) -> dict[str, str]:
    """Return the environment of worker and API: the shell's, and what this run decides.

    What the shell sets on purpose (a database, a mail server, a public address) is kept.
    """
    env = dict(os.environ)
    env["KAMENG_DATA_DIR"] = str(options.data_dir)
    env["KAMENG_HTTP_HOST"], env["KAMENG_HTTP_PORT"] = "127.0.0.1", str(options.port)
    env.setdefault("KAMENG_PUBLIC_URL", f"http://127.0.0.1:{options.port}")
    # Trying it out needs no authenticator; production refuses this.
    env.setdefault("KAMENG_STAFF_SECOND_FACTOR", "false")
    env.setdefault("KAMENG_SECRET_KEY", secret_of(options.data_dir))
    compiling_once(env)
    for port in ("KAMENG_WORKER_METRICS_PORT", "KAMENG_TEMPORAL_METRICS_PORT"):
        env.setdefault(port, str(processes.free_port()))
    if temporal_address is not None:
        env["KAMENG_TEMPORAL_ADDRESS"] = temporal_address
        env["KAMENG_TEMPORAL_NAMESPACE"] = "default"
        env["KAMENG_TEMPORAL_UI_URL"] = ui_url
    return env


def worker_program(options: DevOptions, env: Mapping[str, str]) -> Program:
    """Return the worker to run; it touches a file when it takes work."""
    ready_file = options.data_dir / "worker.ready"
    ready_file.unlink(missing_ok=True)
    env = dict(env, KAMENG_READY_FILE=str(ready_file))
    command = [sys.executable, "-m", "worker"]
    return Program("worker", command, env, log_file(options.data_dir, "worker"), ready_file.exists)


def api_program(options: DevOptions, env: Mapping[str, str]) -> Program:
    """Return the API process to run."""
    command = [sys.executable, "-m", "cli", "api"]
    log = log_file(options.data_dir, "api")
    return Program("API", command, env, log, lambda: answers(options.port, "/healthz"))


def seed(supervisor: Supervisor, options: DevOptions, env: Mapping[str, str]) -> None:
    """Put a small community in, once for a data directory; a seeding that was cut short is done again."""
    marker = options.data_dir / SEEDED
    if options.seed == "none" or marker.exists() or supervisor.stopping:
        return
    supervisor.report("putting a small community in, with an application in every state (about 25 s)")
    log = log_file(options.data_dir, "seed")
    if supervisor.run_once("seeding", [sys.executable, "-m", "cli", "seed", options.seed], env, log):
        marker.write_text(options.seed)
        supervisor.report("the community is in")


def say_where(report: Report, options: DevOptions, env: Mapping[str, str], settings: Settings) -> None:
    """Tell where to look, and leave it in a file for programs."""
    base = f"http://127.0.0.1:{options.port}"
    ui = env.get("KAMENG_TEMPORAL_UI_URL", "")
    places = {"Kameng": base, "API": f"{base}/docs", "Outbox": f"{base}/outbox", "Temporal": ui}
    places |= {"Database": shown(settings.database_url), "Logs": str(options.data_dir / "logs")}
    if settings.mail_transport != "outbox":
        del places["Outbox"]
    for name, place in places.items():
        if place:
            report(f"  {name:<9} {place}")
    running = {"api": base, "temporal": settings.temporal_address, "temporal_ui": ui, "pid": os.getpid()}
    (options.data_dir / RUNNING).write_text(json.dumps(running))
    report("ready — Ctrl-C stops everything; started again, it goes on where it was")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run(options: DevOptions, report: Report) -> None:
    """Run Kameng until SIGINT or SIGTERM.

    Raises EngineError, in one line, if it cannot start, and SettingsError before anything is made.
    """
    require_settings(options)
    options = DevOptions(
        writable(options.data_dir.absolute()), options.port, options.seed, options.temporal_port
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with only_one(options.data_dir):
        require_port(options.port)
        supervisor = Supervisor(report)
        try:
            _start(supervisor, options, report)
            supervisor.keep_running()
        except KeyboardInterrupt:
            pass
        finally:
            _stop(supervisor, options, report)


def _stop(supervisor: Supervisor, options: DevOptions, report: Report) -> None:
    if not supervisor.programs:
        return
    supervisor.listen()
    report("stopping")
    supervisor.stop_all()
    (options.data_dir / RUNNING).unlink(missing_ok=True)
    report("stopped")


def _start(supervisor: Supervisor, options: DevOptions, report: Report) -> None:
    address, ui_url = None, ""
    own_server = not (os.environ.get("TEMPORAL_ADDRESS") or os.environ.get("KAMENG_TEMPORAL_ADDRESS"))
    temporal = None
    if own_server:
        temporal, address, ui_url = temporal_program(options, report)
    env = environment(options, address, ui_url)
    settings = _settings_of(env)
    # From here on children run: a signal may no longer strike just anywhere.
    supervisor.listen()
    if temporal is not None:
        supervisor.launch(temporal)
    else:
        report(f"Temporal server: {settings.temporal_address} (TEMPORAL_ADDRESS is set; nothing is started)")
        asyncio.run(_register(settings, report))
    _migrate(settings)
    if temporal is not None:
        supervisor.wait_ready(temporal)
    worker, api = worker_program(options, env), api_program(options, env)
    supervisor.launch(worker)
    supervisor.launch(api)
    supervisor.wait_ready(worker)
    supervisor.wait_ready(api)
    if not supervisor.stopping:
        say_where(report, options, env, settings)
    seed(supervisor, options, env)


def _settings_of(env: Mapping[str, str]) -> Settings:
    """Make `env` this process's own and build the settings from it."""
    os.environ.update(env)
    return load_settings()


def _migrate(settings: Settings) -> None:
    # Imported here because it takes as long as the Temporal server needs to come up meanwhile.
    from db import migrate
    from db.errors import DatabaseUnavailable
    from engine.on_database import not_available

    try:
        migrate.upgrade(settings.database_url)
    except DatabaseUnavailable as error:
        raise not_available(settings.database_url, error) from error


async def _register(settings: Settings, report: Report) -> None:
    """Look for the cluster that was named, and for the search attributes that Kameng needs there."""
    from engine.temporal_client import connect
    from engine.temporal_server import ensure_search_attributes

    try:
        client = await connect(settings)
    except RuntimeError as error:
        raise EngineError(f"Temporal at {settings.temporal_address} was not reached: {error}") from error
    await ensure_search_attributes(client, report)
