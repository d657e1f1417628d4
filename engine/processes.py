"""Child processes that never outlive the one that started them."""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from engine.errors import EngineError

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux, between fork and exec, to kill this process when the thread that forked it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(
    command: Sequence[str], env: Mapping[str, str], log: Path, *, user: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with its output appended to `log`.

    A Ctrl-C at the terminal does not reach it: who started it stops it, in order. On Linux the kernel
    kills it when its parent is killed; for that it must be started from the main thread.
    """
    linux = sys.platform.startswith("linux")
    if linux and threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start child processes from the main thread: the kernel ties their life to it")
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            preexec_fn=die_with_parent if linux else None,
        )


def leave(code: int) -> NoReturn:
    """End this process at once, with its output written.

    For commands that talked to Temporal: where threads of its SDK call back while Python takes itself
    down, the process is aborted after its work was done.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> bool:
    """End a child by its own pid: politely, and after `grace_seconds` by force. Returns if politeness did."""
    if process.poll() is not None:
        return True
    process.terminate()
    try:
        process.wait(timeout=grace_seconds)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on this port now; beyond the last port there is none."""
    if not 0 < port < 65_536:
        return False
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do it: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


# Where systems take no ports for outgoing connections: one of those may have a free port before it is used,
# or between a server's end and its next start.
_QUIET_PORTS = range(20_000, 32_000)
_TRIES = 20


def free_port(preferred: int | None = None, host: str = "127.0.0.1") -> int:
    """Return `preferred` if it is free, else some free port."""
    if preferred is not None and port_is_free(preferred, host):
        return preferred
    for port in secrets.SystemRandom().sample(_QUIET_PORTS, _TRIES):
        if port_is_free(port, host):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log file, or nothing if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def require_alive(process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Raise EngineError with the end of its log if the child has ended."""
    if process.poll() is not None:
        raise EngineError(f"{name} ended at once (exit {process.returncode}); {log} ends with:\n{tail(log)}")


def wait_for_port(port: int, process: subprocess.Popen[bytes], name: str, log: Path, seconds: float) -> None:
    """Wait until the child accepts connections; EngineError if it ends or takes more than `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        require_alive(process, name, log)
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise EngineError(f"{name} does not answer on port {port} after {seconds:.0f} s; see {log}")
