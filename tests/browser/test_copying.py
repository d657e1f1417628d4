"""Copying a link where the browser refuses: the link is selected, that is said, and a share counts."""

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import func, select

from db.database import Database
from db.tables.shares import featured_notes, note_shares
from domain.campaigns.terms import Status
from tests.browser.campaign_states import person_of
from tests.browser.conftest import NewCase, Window
from tests.support.campaigns import Campaign

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSE = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"


async def selected(page: Page) -> str:
    """What Ctrl+C would copy from the field of the link."""
    field = "document.querySelector('#link')"
    return str(
        await page.evaluate(
            f"() => document.activeElement === {field}"
            f" ? {field}.value.slice({field}.selectionStart, {field}.selectionEnd) : ''"
        )
    )


async def test_a_shared_note_is_passed_on_by_hand(open_window: Window, database: Database) -> None:
    wanted = select(featured_notes.c.id, featured_notes.c.code).where(featured_notes.c.ended_at.is_(None))
    note = await database.read(lambda conn: conn.execute(wanted).first())
    assert note is not None
    counted = select(func.count()).where(note_shares.c.featured_id == note.id)
    before = await database.read(lambda conn: conn.execute(counted).scalar_one())
    async with open_window("en") as stranger:
        page = stranger.page
        await page.add_init_script(REFUSE)
        await stranger.go(f"/s/{note.code}")
        async with page.expect_response(lambda answer: answer.url.endswith("/shares")):
            await page.locator("button[value=link]").click()
        await expect(page.locator("[data-share-told]")).to_have_text(stranger.t("page.share.refused"))
        assert (await selected(page)).endswith(f"/s/{note.code}")
    assert await database.read(lambda conn: conn.execute(counted).scalar_one()) == before + 1


async def test_an_invitation_is_copied_by_hand(
    open_window: Window, new_case: NewCase, database: Database
) -> None:
    member = await new_case()
    campaign = await Campaign.at(database, status=Status.ENROLLING)
    await campaign.enrol(await person_of(database, member.key))
    async with open_window() as guest:
        await guest.page.add_init_script(REFUSE)
        await guest.be(member.key)
        await guest.go(f"/campaigns/{campaign.id}/invitations")
        await guest.press("page.mine_invited.make")
        await guest.page.locator("[data-copy] button").click()
        await expect(guest.page.locator("[data-copy-told]")).to_have_text(guest.t("page.share.refused"))
        assert "/i/" in await selected(guest.page)
