"""One service for all processes of a test run: the first that needs it starts it and stops it last.

Every user holds a shared lock on a file while it uses the service; the one that started it takes the
exclusive lock before stopping, so it waits for the others. Locks end with their process, whatever happens.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Service(Protocol):
    """A running service that others reach by a small description."""

    def describe(self) -> dict[str, str]: ...

    def stop(self) -> object: ...


@contextmanager
def shared_service(directory: Path, name: str, start: Callable[[], Service]) -> Iterator[dict[str, str]]:
    """Yield the description of the run's one service called `name`, starting it if nobody has yet.

    `directory` is the same for all processes of the run, and new for each run.
    """
    description = directory / f"{name}.json"
    own: Service | None = None
    with (directory / f"{name}.users").open("a") as users:
        with (directory / f"{name}.starting").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not description.exists():
                own = start()
                description.write_text(json.dumps(own.describe()))
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield json.loads(description.read_text())
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            if own is not None:
                with (directory / f"{name}.starting").open("a") as starting:
                    # Nobody can join any more, and those who did have to leave first.
                    fcntl.flock(starting, fcntl.LOCK_EX)
                    fcntl.flock(users, fcntl.LOCK_EX)
                    description.unlink()
                    own.stop()
