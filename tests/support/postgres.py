"""A real PostgreSQL for tests, from the system's own package, in a directory of its own.

Durability is off unless asked for: a test run's database need not survive a power cut. PostgreSQL refuses
to run as root, so root hands it to the user that the package made.
"""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from engine import processes
from tests.support.children import alive, children_of, until

INSTALL_SECONDS = 300
START_SECONDS = 120
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
}
DURABLE = OPTIONS | {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "1GB",
}


class PostgresMissing(Exception):
    """There is no PostgreSQL here and none could be installed."""


def find_programs() -> Path | None:
    """Return the directory with initdb and postgres of the newest version installed, or None."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    places += [Path(on_path).resolve().parent] if on_path else []
    return next(
        (place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None
    )


def install() -> None:
    """Install the system's package where that is possible: as root, on Debian and its relatives."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "postgresql"]):
        subprocess.run(command, env=environment, timeout=INSTALL_SECONDS, check=False, capture_output=True)


def _user() -> str:
    """Return the user to run PostgreSQL as."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass
class Postgres:
    """A running server that this process started; `admin_url` is its superuser's database."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    user: str

    @classmethod
    def start(cls, options: Mapping[str, str] = OPTIONS, within: Path | None = None) -> "Postgres":
        """Make a cluster and start it on a free loopback port (about 2 s). Raises PostgresMissing.

        Its files are in a directory of its own ``within`` that one, else where temporary files go.
        """
        programs = find_programs()
        if programs is None:
            install()
            programs = find_programs()
        if programs is None:
            raise PostgresMissing("no PostgreSQL here (Debian: apt-get install postgresql)")
        user = _user()
        directory = Path(tempfile.mkdtemp(prefix="kameng-postgres-", dir=within))
        if os.geteuid() == 0:
            shutil.chown(directory, user)
        _initdb(programs, directory / "data", user)
        return cls._launch(programs, directory, user, options)

    @classmethod
    def _launch(
        cls,
        programs: Path,
        directory: Path,
        user: str,
        options: Mapping[str, str],
        port: int | None = None,
    ) -> "Postgres":
        port = processes.free_port(port)
        command = [
            str(programs / "postgres"),
            "-D",
            str(directory / "data"),
            "-p",
            str(port),
            "-k",
            str(directory),
        ]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = directory / "postgres.log"
        process = processes.spawn(command, os.environ, log, user=user if os.geteuid() == 0 else None)
        server = cls(process, directory, port, user)
        try:
            processes.wait_for_port(port, process, "PostgreSQL", log, START_SECONDS)
            _wait_until_serving(server.admin_url)
        except BaseException:
            server.stop()
            raise
        return server

    def crash(self) -> None:
        """End it at once, as if its machine's program had been killed; what was committed is in its log."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(START_SECONDS)

    def kill(self) -> None:
        """SIGKILL all of its processes, as a machine without memory does; it has to recover from its log."""
        pids = [self.process.pid, *children_of(self.process.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(START_SECONDS)
        # As long as one of them holds the shared memory it cannot be started again.
        until(lambda: not any(alive(pid) for pid in pids))

    def start_again(self, options: Mapping[str, str] = OPTIONS) -> None:
        """Start it again where it was."""
        programs = find_programs()
        assert programs is not None
        self.process = self._launch(programs, self.directory, self.user, options, self.port).process

    @property
    def admin_url(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/postgres"

    def describe(self) -> dict[str, str]:
        return {"admin_url": self.admin_url}

    def stop(self) -> None:
        """Stop it and remove what it wrote."""
        self.process.send_signal(2)  # the fast way: open connections are closed
        processes.stop(self.process, 10)
        shutil.rmtree(self.directory, ignore_errors=True)


def _wait_until_serving(url: str) -> None:
    """Return once it takes connections: it listens a moment earlier and refuses."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _initdb(programs: Path, data: Path, user: str) -> None:
    command = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        user,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    command += ["--locale=C.UTF-8"]
    as_user = user if os.geteuid() == 0 else None
    done = subprocess.run(
        command, user=as_user, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise PostgresMissing(f"initdb failed: {done.stderr.strip()}")


def create_database(admin_url: str, name: str, template: str | None = None) -> str:
    """Create a database, as a copy of `template` if given, and return its URL."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        source = f' TEMPLATE "{template}"' if template else ""
        connection.execute(f'CREATE DATABASE "{name}"{source}'.encode())
    return f"{admin_url.rsplit('/', 1)[0]}/{name}"


def drop_database(admin_url: str, name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
