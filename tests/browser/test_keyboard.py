"""By keyboard alone: the way past the navigation, where one is, a vote, a check-in, a campaign's plan."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from db.database import Database
from domain.people import Role
from tests.browser.campaign_states import person_of
from tests.browser.conftest import NewCase, Window
from tests.browser.seeded import application_of
from tests.support.campaigns import Campaign

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: `${element.tagName} ${element.name || element.href || element.textContent.trim()}`.slice(0, 80),
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""
MOST_STOPS = 120


async def test_the_skip_link_comes_first_and_leads_past_the_navigation(open_window: Window) -> None:
    async with open_window() as guest:
        page = guest.page
        await guest.go("/")
        await page.keyboard.press("Tab")
        skip = page.locator("a.skip")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => document.activeElement.closest('main') !== null")


async def test_every_stop_of_the_keyboard_can_be_seen(open_window: Window, database: Database) -> None:
    async with open_window() as guest:
        await guest.be("judged")
        await guest.go(f"/applications/{await application_of(database, 'judged')}")
        await _stops(guest.page)
        await guest.be("reviewer3")
        await guest.go(f"/staff/applications/{await application_of(database, 'waiting')}")
        await _stops(guest.page)


async def _stops(page: Page) -> None:
    names = []
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(FOCUSED)
        if stop is None:
            break
        if "IFRAME" not in stop["name"]:
            assert stop["outline"], stop
            assert stop["seen"], stop
        names.append(stop["name"])
    assert len(names) > 10


async def test_a_whole_vote_by_keyboard(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case()).submit()
    await case.review("approve", "reviewer1", "reviewer3")
    async with open_window() as guest:
        page = guest.page
        await guest.be("member14")
        await guest.go(f"/ballots/{(await case.read())['ballot_id']}")
        await _tab_to(page, "input[name=choice]")
        await page.keyboard.press("ArrowDown")
        await expect(page.locator("input[value=no]")).to_be_checked()
        await page.keyboard.press("ArrowUp")
        await expect(page.locator("input[value=yes]")).to_be_checked()
        await _tab_to(page, "form[action$='/votes'] button")
        await page.keyboard.press("Enter")
        await expect(page.locator("#receipt")).to_be_visible()
        await guest.go("/ballots")
        card = page.locator(".card", has_text=f"Demo {case.key}")
        await expect(card).to_contain_text(guest.t("page.ballot.you_voted"))


async def _tab_to(page: Page, selector: str) -> None:
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        if await page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"the keyboard never came to {selector}")


async def test_a_check_in_by_keyboard(open_window: Window, database: Database, new_case: NewCase) -> None:
    case = await new_case()
    member = await person_of(database, case.key)
    campaign = await Campaign.at(database, leader=await person_of(database, (await new_case()).key))
    await campaign.enrol(member)
    await campaign.go(2)
    async with open_window() as guest:
        page = guest.page
        await guest.be(case.key)
        await guest.go(f"/campaigns/{campaign.id}/me")
        await _tab_to(page, "#note")
        await page.keyboard.type("今天读了两章，把例题都做了一遍，没有看答案，错的两道重新做对了。")
        await _tab_to(page, "form[action$='/check-ins'] button")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await guest.says(guest.t("page.own.done"))
    assert await campaign.done(member) == [(2, "day")]


async def test_a_plan_by_keyboard(open_window: Window, new_case: NewCase) -> None:
    leader = await new_case(roles=[Role.LEADER])
    body = {
        "template": "check_in_challenge",
        "starts_on": (datetime.now(UTC) + timedelta(20)).date().isoformat(),
    }
    draft = await (await leader.visitor()).post("/campaigns", body)
    async with open_window() as guest:
        page = guest.page
        await guest.be(leader.key)
        await guest.go(f"/studio/campaigns/{draft['id']}")
        await _stops(page)
        await guest.go(f"/studio/campaigns/{draft['id']}")
        estimate = page.locator("#estimate strong")
        before = await estimate.inner_text()
        await _tab_to(page, "#capacity")
        await page.keyboard.type("8")
        await expect(estimate).not_to_have_text(before)
        await _tab_to(page, "input[name='requirement.proofs']")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await _tab_to(page, "input[name='invitations.mode']")
        await page.keyboard.press("ArrowUp")
        await _tab_to(page, "button[value=submit]")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await guest.says(guest.t("page.done.campaign_submitted"))
    plan = (await (await leader.visitor()).get(f"/campaigns/{draft['id']}"))["plan"]
    assert plan["capacity"] == 8
    assert plan["requirement"]["proofs"] == ["note", "link"]
    assert plan["invitations"]["mode"] == "off"


async def test_the_desk_by_its_keys(open_window: Window, new_case: NewCase) -> None:
    case = await (await new_case()).submit()
    async with open_window() as guest:
        page = guest.page
        await guest.be("reviewer3")
        await guest.go("/staff")
        await page.keyboard.press("/")
        await page.keyboard.type(case.key)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await page.keyboard.press("j")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        async with page.expect_navigation():
            await page.keyboard.press("c")
        await guest.says(guest.t("page.staff.me"))
        for key in ("1", "2", "3", "4", "x", "n"):
            await page.keyboard.press(key)
        await expect(page.locator("input[value=request_changes]")).to_be_checked()
        assert await page.locator("input[name=checklist]:checked").count() == 4
        await expect(page.locator("#note")).to_be_focused()
