"""The user's cache directory, outside any checkout, and the lock that guards what is put there."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine.errors import EngineError

Report = Callable[[str], None]

if sys.platform != "win32":
    import fcntl


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory that Kameng caches programs in: `$XDG_CACHE_HOME/kameng` or `~/.cache/kameng`."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The XDG rule: a relative path there is to be ignored.
    root = (
        Path(base)
        if base and Path(base).is_absolute()
        else Path(environ.get("HOME") or Path.home()) / ".cache"
    )
    return root / "kameng"


def compiling_once(env: MutableMapping[str, str]) -> None:
    """Let Python programs started with ``env`` keep what they compile, beside the code or in the cache.

    Where nothing is to be written beside the code, compiling all of it anew at each start takes seconds.
    """
    if env.pop("PYTHONDONTWRITEBYTECODE", ""):
        env.setdefault("PYTHONPYCACHEPREFIX", str(cache_dir(env) / "bytecode"))


def writable(directory: Path, otherwise: str = "choose another place") -> Path:
    """Create `directory` if needed and return it.

    Raises EngineError, with what to do `otherwise`, if nothing can be written there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EngineError(f"{directory} cannot be written to ({error.strerror}); {otherwise}") from error
    return directory


def try_lock(file: IO[str]) -> bool:
    """Take the exclusive lock of an open file without waiting; it is released when the file is closed."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive(path: Path, report: Report, what: str) -> Iterator[None]:
    """Hold the lock file at `path`; while another process holds it, say once that `what` is waited for."""
    with path.open("a") as file:
        if not try_lock(file):
            report(f"another run is {what}; waiting for it")
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
