"""Whoever leaves the wizard while a save is under way finds the last letters again."""

import asyncio

import pytest
from playwright.async_api import Route

from tests.browser.cases import Case
from tests.browser.conftest import NewCase, Window
from tests.support.vetting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE_SECONDS = 30


@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "lost"])
async def test_letters_typed_while_a_save_runs_are_kept(
    open_window: Window, new_case: NewCase, arrives: bool
) -> None:
    """The save under way reaches Kameng and only its answer does not come back, or it is lost."""
    case, under_way = await (await new_case()).draft(), asyncio.Event()

    async def hold(route: Route) -> None:
        if arrives:
            await route.fetch()
        under_way.set()

    async with open_window() as guest:
        await guest.be(case.key)
        await guest.go(f"{case.path}/edit/statement")
        await guest.page.route("**/edit/statement", hold, times=1)
        field = guest.page.locator("#statement")
        await field.fill("三" * 60)
        await asyncio.wait_for(under_way.wait(), PATIENCE_SECONDS)
        await field.fill("四" * 6_000)
        await guest.go("/")
        await until(lambda: _stands(case, "四" * 6_000))


async def _stands(case: Case, statement: str) -> bool:
    return bool((await case.read())["statement"] == statement)
