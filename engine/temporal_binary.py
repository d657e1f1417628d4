"""Finding a Temporal dev server, or getting one: from PATH, the cache, a download, or a build."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine import temporal_build
from engine.cache import Report, cache_dir, exclusive, writable
from engine.errors import EngineError

# Older servers cannot skip the time of a single workflow.
OLDEST_SERVER = (1, 32, 0)
BUILT_VERSION = "1.32.0"
DOWNLOAD_SECONDS = 60.0


@dataclass(frozen=True)
class Located:
    """A Temporal program that will do, and where it came from."""

    path: Path
    origin: str


def server_version(program: Path) -> tuple[int, int, int] | None:
    """Return the version of the server inside a `temporal` program, or None if it does not tell."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=15, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Server (\d+)\.(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def will_do(program: Path) -> bool:
    """Tell whether the program's server is recent enough."""
    version = server_version(program)
    return version is not None and version >= OLDEST_SERVER


def on_path(environ: Mapping[str, str], report: Report) -> Located | None:
    """Return the `temporal` on PATH if it is recent enough; say so if it is not."""
    found = shutil.which("temporal", path=environ.get("PATH", ""))
    if not found:
        return None
    if will_do(Path(found)):
        return Located(Path(found), "found on PATH")
    report(f"{found} is older than server {'.'.join(map(str, OLDEST_SERVER))}; not used")
    return None


def cached(store: Path) -> Located | None:
    """Return the newest usable program that an earlier run put into the cache."""
    for program in sorted(store.glob("*/temporal"), key=lambda path: path.stat().st_mtime, reverse=True):
        if will_do(program):
            return Located(program, "from the cache")
    return None


def at_hand(environ: Mapping[str, str]) -> Located | None:
    """Return the program that this machine has already, None if it would have to be got first."""
    return on_path(environ, lambda _: None) or cached(cache_dir(environ) / "temporal")


def keep(program: Path, store: Path) -> Path:
    """Move a program that was just made into the cache, complete or not at all, and return its place."""
    version = server_version(program)
    if version is None or version < OLDEST_SERVER:
        raise EngineError(
            f"the Temporal server that came is too old or does not run: {version or 'no answer'}"
        )
    place = store / ".".join(map(str, version)) / "temporal"
    place.parent.mkdir(exist_ok=True)
    program.chmod(0o755)
    program.replace(place)
    return place


def download(store: Path, report: Report, seconds: float = DOWNLOAD_SECONDS) -> Located | None:
    """Let the SDK download its dev server, for at most `seconds`; return None if that does not work.

    It runs in a process of its own, because a stalled download inside this one could not be stopped.
    """
    report(f"downloading the Temporal server (at most {seconds:.0f} s)")
    with tempfile.TemporaryDirectory(dir=store, prefix="download-") as directory:
        command = [sys.executable, "-m", "engine.temporal_download", directory]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            report(f"the download was not done after {seconds:.0f} s; going on without it")
            return None
        programs = [path for path in Path(directory).iterdir() if path.is_file()]
        if done.returncode != 0 or not programs:
            report("the download is out of reach here; going on without it")
            return None
        try:
            return Located(keep(max(programs, key=lambda path: path.stat().st_size), store), "downloaded")
        except EngineError as error:
            report(f"{error}; not used")
            return None


def sweep(store: Path) -> None:
    """Remove what runs that were killed left behind; whoever calls holds the lock of ``store``."""
    for left in (*store.glob("build-*"), *store.glob("download-*")):
        shutil.rmtree(left, ignore_errors=True)


def build(store: Path, report: Report, environ: Mapping[str, str]) -> Located:
    """Build the server from the pinned Go modules. Raises EngineError."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=store, prefix="build-", ignore_cleanup_errors=True) as directory:
        program = temporal_build.build(Path(directory), store.parent, report, environ)
        place = keep(program, store)
    temporal_build.remove_go(store.parent)
    report(f"the Temporal server is built ({time.monotonic() - started:.0f} s) and kept in {place.parent}")
    return Located(place, "built")


def locate(report: Report, environ: Mapping[str, str] | None = None) -> Located:
    """Return a Temporal program, getting one if there is none yet; every choice and wait is reported.

    In this order: `temporal` on PATH, the cache, the SDK's download, a build from pinned modules.
    Raises EngineError, in one line, if none of these works.
    """
    env = os.environ if environ is None else environ
    store = cache_dir(env) / "temporal"
    found = on_path(env, report) or cached(store)
    if found is None:
        writable(store, "set XDG_CACHE_HOME to a directory of your own")
        with exclusive(store / ".lock", report, "getting the Temporal server"):
            sweep(store)
            ways: list[Callable[[], Located | None]] = [
                lambda: cached(store),
                lambda: download(store, report),
                lambda: build(store, report, env),
            ]
            found = next(located for way in ways if (located := way()) is not None)
    report(f"Temporal server: {found.path} ({found.origin})")
    return found
