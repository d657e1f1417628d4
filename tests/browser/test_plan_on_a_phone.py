"""The editor of a plan on a phone: what it can cost is in sight while somebody edits, and covers nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from domain.people import Role
from tests.browser.conftest import NewCase, Window
from tests.browser.guests import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_the_estimate_goes_along(open_window: Window, new_case: NewCase, locale: str) -> None:
    leader = await new_case(roles=[Role.LEADER])
    starts_on = (datetime.now(UTC) + timedelta(20)).date().isoformat()
    draft = await (await leader.visitor()).post(
        "/campaigns", {"template": "learning_plan", "starts_on": starts_on}
    )
    async with open_window(locale, viewport=PHONE) as guest:
        page = guest.page
        await guest.be(leader.key)
        await guest.go(f"/studio/campaigns/{draft['id']}")
        line, number = page.locator("#estimate-line"), page.locator("#estimate-line strong")
        before = await number.inner_text()
        for name, value, told in (("rewards.check_in", "0", None), ("rewards.check_in", "-1", "–")):
            field = page.locator(f"[id='{name}']")
            # As the tabulator key does it, which scrolls no further than it has to.
            await field.focus()
            await page.keyboard.press("Shift+Tab")
            await page.keyboard.press("Tab")
            await page.keyboard.type(value)
            await expect(line).to_be_in_viewport()
            if told is None:
                await expect(number).not_to_have_text(before)
            else:
                await expect(number).to_have_text(told)
                await expect(line).to_contain_text(guest.t("page.studio.estimate_wrong_short"))
                await expect(field).to_have_attribute("aria-invalid", "true")
                await expect(page.locator(f"[id='{name}-error']")).to_be_visible()
            above, below = await line.bounding_box(), await field.bounding_box()
            assert above
            assert below
            assert above["height"] < 70
            assert above["y"] + above["height"] <= below["y"]
        guest.expected_refusals()


async def test_a_mistake_looks_like_one_beside_choices_too(open_window: Window, new_case: NewCase) -> None:
    leader = await new_case(roles=[Role.LEADER])
    starts_on = (datetime.now(UTC) + timedelta(20)).date().isoformat()
    draft = await (await leader.visitor()).post(
        "/campaigns", {"template": "learning_plan", "starts_on": starts_on}
    )
    async with open_window(viewport=PHONE) as guest:
        page = guest.page
        await guest.be(leader.key)
        await guest.go(f"/studio/campaigns/{draft['id']}")
        await page.fill("#capacity", "")
        await page.uncheck("[name='requirement.proofs']:checked")
        await guest.press("page.studio.save")
        looks = "(all) => all.map((one) => getComputedStyle(one).color + getComputedStyle(one).fontWeight)"
        found = await page.locator("p.error").evaluate_all(looks)
        assert len(found) == 2
        assert len(set(found)) == 1, found
        guest.expected_refusals()
