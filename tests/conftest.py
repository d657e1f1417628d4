"""Fixtures that every test may use: real servers, shared by the whole run, and a fresh place on each."""

import gc
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples
from temporalio.client import Client

from settings import Settings
from tests.support import memory
from tests.support.brief import DATABASES, SAID, left_out
from tests.support.dealing import dealt
from tests.support.lent import LentDatabases
from tests.support.missing import missing
from tests.support.postgres import Postgres, PostgresMissing, create_database
from tests.support.shared import shared_service
from tests.support.temporal import PrivateTemporal, SharedTemporal, new_namespace, program

TEMPORAL = frozenset({"temporal_address", "private_temporal", "kameng"})
"""Fixtures that start a Temporal server."""

# How long an example takes says more about the machine than about the code.
examples.register_profile("kameng", deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("kameng")


# What is imported and collected is no garbage: looking through it was a quarter of a start.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the brief run."""
    parser.addoption("--brief", action="store_true", help="leave out what is slow; on one database each")


def pytest_configure(config: pytest.Config) -> None:
    """Keep what the shell is set up for (a cluster, a database, keys) away from every test."""
    for name in list(os.environ):
        if name.startswith(("KAMENG_", "TEMPORAL_", "SENDGRID_")) or name == "DATABASE_URL":
            del os.environ[name]
    if (place := memory.place()) is not None:
        # Read when the first temporary directory is made; --basetemp wins.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a brief run does without; under xdist, deal out the rest.

    Every process begins with its share of the long tests, and one has the browser's.
    """
    if config.getoption("brief"):
        config.hook.pytest_deselected(items=[item for item in items if _left_out(item)])
        items[:] = [item for item in items if not _left_out(item)]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = dealt(items, workers, lambda item: item.nodeid)


def _left_out(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    parameters = {} if called is None else called.params
    return left_out(item.nodeid, parameters, slow=item.get_closest_marker("slow") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get the Temporal server before the first test's time begins: building it takes minutes, once."""
    gc.freeze()
    gc.enable()
    wanted = any(TEMPORAL.intersection(getattr(item, "fixturenames", ())) for item in session.items)
    if wanted and not session.config.option.collectonly:
        program()


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """`gw0`, `gw1`, … under xdist, else `master`."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "master"))


@pytest.fixture(scope="session")
def temporal_address(run_dir: Path) -> Iterator[str]:
    """Address of the run's Temporal server, which can skip time."""
    with shared_service(run_dir, "temporal", lambda: SharedTemporal.start(run_dir)) as service:
        yield service["address"]


@pytest.fixture
def temporal_namespace() -> str:
    """A name that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def temporal_client(temporal_address: str, temporal_namespace: str) -> Client:
    """A client of a namespace of this test's own, with Kameng's search attributes and converter."""
    return await new_namespace(temporal_address, temporal_namespace)


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test uses."""
    return f"queue-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def private_temporal(tmp_path: Path) -> AsyncIterator[PrivateTemporal]:
    """A started server of this test's own, to `kill()` and `await start()` again."""
    server = PrivateTemporal(tmp_path)
    await server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_admin_url(run_dir: Path) -> Iterator[str]:
    """Superuser's URL of the run's PostgreSQL; skips loudly where there is none, and fails in CI."""
    try:
        with shared_service(run_dir, "postgres", lambda: Postgres.start(within=memory.place())) as service:
            yield service["admin_url"]
    except PostgresMissing as error:
        missing("POSTGRESQL", error)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    from db.migrate import upgrade

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_admin_url: str, worker_id: str) -> str:
    """Name of a migrated PostgreSQL database to copy, one for each process of the run."""
    from db.migrate import upgrade

    name = f"template_{worker_id}"
    upgrade(create_database(postgres_admin_url, name))
    return name


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database of this test's own."""
    path = tmp_path / "kameng.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_databases(postgres_admin_url: str, postgres_template: str) -> LentDatabases:
    """The databases that the tests of this process borrow."""
    return LentDatabases(postgres_admin_url, postgres_template)


@pytest.fixture
def postgres_url(postgres_databases: LentDatabases) -> Iterator[str]:
    """A migrated, empty PostgreSQL database that nobody else uses during this test."""
    with postgres_databases.lent() as url:
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database of this test's own, on each kind in turn."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Development settings whose files stay in this test's directory; `model_copy(update=…)` for others."""
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def engine_settings(
    settings: Settings, sqlite_url: str, temporal_address: str, temporal_namespace: str
) -> Settings:
    """Settings of a database and a Temporal server that are there."""
    there = {
        "database_url": sqlite_url,
        "temporal_address": temporal_address,
        "temporal_namespace": temporal_namespace,
    }
    return settings.model_copy(update=there)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once more, in colour, which tests did not run, and why."""
    if terminalreporter.config.getoption("brief"):
        terminalreporter.write_line(SAID, yellow=True)
    skipped = [
        report for report in terminalreporter.getreports("skipped") if "NOT TESTED ON" in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_sep(
            "!", f"{len(skipped)} tests did not run: no PostgreSQL or Chromium here", red=True, bold=True
        )
