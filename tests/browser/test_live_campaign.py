"""A leader's and staff's page of a campaign that stands open: what can be done follows what others did."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from domain.people import Role
from tests.browser.cases import Case
from tests.browser.conftest import NewCase, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def handed_in(leader: Case) -> str:
    """Hand in a small plan, and return the campaign's path in the JSON API."""
    starts_on = (datetime.now(UTC) + timedelta(20)).date().isoformat()
    visitor = await leader.visitor()
    draft = await visitor.post("/campaigns", {"template": "product_review", "starts_on": starts_on})
    path = f"/campaigns/{draft['id']}"
    await visitor.post(f"{path}/submit")
    return path


async def decide(leader: Case, path: str, decision: str, **more: Any) -> None:
    await (await leader.visitor("manager")).post(f"{path}/review", {"decision": decision, **more})


async def test_a_plan_that_is_sent_back_is_a_form_again(open_window: Window, new_case: NewCase) -> None:
    leader = await new_case("en", roles=[Role.LEADER])
    path = await handed_in(leader)
    async with open_window("en") as guest:
        await guest.be(leader.key)
        await guest.go(f"/studio{path}")
        await guest.says(guest.t("page.campaign.status.in_review"))
        await decide(leader, path, "request_changes", reasons=["rules_unclear"], note="Say how.")
        await expect(guest.page.locator("#editor")).to_be_visible()
        await guest.says("Say how.")


async def test_what_can_be_done_follows_what_others_did(open_window: Window, new_case: NewCase) -> None:
    leader = await new_case("en", roles=[Role.LEADER])
    path = await handed_in(leader)
    async with open_window() as staff, open_window("en") as guest:
        await staff.be("admin")
        await staff.go(f"/staff{path}")
        await guest.be(leader.key)
        await guest.go(f"/studio{path}")
        decision, steps = staff.page.locator("#decide"), staff.page.locator("summary")
        await expect(decision).to_be_visible()
        await decide(leader, path, "approve", note="Good luck.")
        await expect(decision).to_have_count(0)
        await expect(steps.get_by_text(staff.t("page.steer.extend"), exact=True)).to_be_visible()
        await staff.says("Good luck.")
        # Somebody who is about to extend it is not interrupted, and told.
        await guest.page.locator("summary", has_text=guest.t("page.steer.extend")).click()
        await guest.page.fill("#days", "3")
        await (await leader.visitor("manager")).post(f"{path}/cancel", {"reason": "The sponsor left."})
        await guest.says(guest.t("page.campaign.behind"))
        await expect(guest.page.locator("#days")).to_have_value("3")
        await guest.says("The sponsor left.")
