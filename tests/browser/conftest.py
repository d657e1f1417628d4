"""One Kameng with the demo community for the whole run, and one Chromium for each of its processes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from db.database import Database
from domain.people import Role
from engine.visitors import entrance
from tests.browser.campaign_states import States
from tests.browser.cases import Case, newcomer
from tests.browser.guests import Guest, window
from tests.browser.kameng import RunningKameng
from tests.support import chromium
from tests.support.missing import missing
from tests.support.shared import shared_service

Window = Callable[..., AbstractAsyncContextManager[Guest]]
NewCase = Callable[..., Awaitable[Case]]
NewStates = Callable[[], Awaitable[States]]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of Chromium; skips loudly where there is none, and fails in CI."""
    try:
        return chromium.locate()
    except chromium.ChromiumMissing as error:
        missing("CHROMIUM", error)


@pytest.fixture(scope="session")
def kameng(chromium_path: str, run_dir: Path, temporal_address: str) -> Iterator[dict[str, str]]:
    """The run's Kameng: ``address`` and ``database_url``. Tests change people of their own only."""

    def start() -> RunningKameng:
        return RunningKameng.start(run_dir / "kameng-data", temporal_address)

    with shared_service(run_dir, "kameng", start) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """A running Chromium; every test opens windows of its own in it."""
    async with async_playwright() as play:
        running = await play.chromium.launch(executable_path=chromium_path, args=list(chromium.FLAGS))
        yield running
        await running.close()


@pytest.fixture(scope="session")
def open_window(browser: Browser, kameng: dict[str, str]) -> Window:
    """Open a browser window: ``async with open_window("en") as guest``."""

    def opened(locale: str = "zh-CN", **options: Any) -> AbstractAsyncContextManager[Guest]:
        return window(browser, kameng["address"], locale, **options)

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def database(kameng: dict[str, str]) -> AsyncIterator[Database]:
    """The database behind the pages, for what happens outside of them."""
    async with Database.connect(kameng["database_url"]) as db:
        yield db


@pytest_asyncio.fixture(loop_scope="session")
async def new_case(kameng: dict[str, str], database: Database) -> AsyncIterator[NewCase]:
    """Add a member of a test's own: ``case = await new_case("en")``."""
    async with entrance(kameng["address"]) as door:

        async def new(locale: str = "zh-CN", zone: str = "Asia/Shanghai", roles: Sequence[Role] = ()) -> Case:
            return await newcomer(database, door, locale, zone, roles)

        yield new


@pytest_asyncio.fixture(loop_scope="session")
async def new_states(
    kameng: dict[str, str], database: Database, new_case: NewCase
) -> AsyncIterator[NewStates]:
    """Return somebody who leads campaigns and somebody who takes part: ``states = await new_states()``."""
    async with entrance(kameng["address"]) as door:

        async def new() -> States:
            return States(database, door, await new_case(roles=[Role.LEADER]), await new_case())

        yield new
