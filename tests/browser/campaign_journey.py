"""The way of a campaign from its template to everybody's points, by clicking, as the people concerned."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from playwright.async_api import Locator, expect
from sqlalchemy import select

from db.database import Database
from db.tables.invitations import invitation_joins
from tests.browser.guests import Guest

DAYS: Final = 3
PLACES: Final = 20
POINTS_A_DAY: Final = 7
FEWEST_CHARACTERS: Final = 10

NOTES: Final = {
    "zh-CN": (
        "第一天：把望远镜从柜子里翻出来，擦干净，认出了北斗七星。",
        "第二天：跟着星图找到了大角星，沿着斗柄一路画过去。",
        "第三天：阴天，什么也没看到，就把前两天的笔记又读了一遍。",
    ),
    "en": (
        "First evening: dusted the telescope off and found the Plough above the roofs.",
        "Second evening: followed the handle of the Plough all the way to Arcturus.",
        "Third evening: clouds, so I read my two notes again and drew a map from memory.",
    ),
}


@dataclass
class CampaignJourney:
    """One campaign on its way.

    ``leader`` and ``friend`` have a window each (the friend's is a phone); everybody else comes to
    ``other`` in turn, and a stranger looks in at ``stranger``.
    """

    leader: Guest
    other: Guest
    friend: Guest
    stranger: Guest
    db: Database
    leader_key: str
    manager_key: str
    member_key: str
    title: str
    id: str = ""
    link: str = ""
    share: str = ""

    @property
    def path(self) -> str:
        return f"/campaigns/{self.id}"

    @property
    def friend_address(self) -> str:
        return f"friend-of-{self.member_key}@elsewhere.example"

    def note(self, guest: Guest, day: int) -> str:
        """Return what somebody writes on a day."""
        return f"{NOTES[guest.locale][day - 1]} {'☾' if guest is self.friend else '☆'}"

    async def plan(self) -> None:
        """Choose a template, change the plan while the estimate is counted anew, and hand it in."""
        guest, page = self.leader, self.leader.page
        await guest.be(self.leader_key)
        await guest.go("/studio")
        await guest.press("page.studio.new")
        await guest.follow(page.locator("button[value=learning_plan]"))
        await guest.says(guest.t("page.done.campaign_begun"))
        self.id = page.url.partition("?")[0].rpartition("/")[2]
        await page.fill("#title", self.title)
        changes = {
            "length_days": DAYS,
            "capacity": PLACES,
            "rewards.check_in": POINTS_A_DAY,
            "requirement.min_note_characters": FEWEST_CHARACTERS,
            "invitations.activating_check_ins": 2,
        }
        shown = page.locator("#estimate strong")
        before = await shown.inner_text()
        for name, value in changes.items():
            await page.fill(f"[id='{name}']", str(value))
        recount = page.locator("[data-estimate]")
        if await recount.count():
            await guest.follow(recount)
        await expect(shown).not_to_have_text(before)
        await guest.says(
            guest.t("page.studio.estimate_text", members=str(PLACES), days=DAYS).removesuffix(".")
        )
        await guest.press("page.studio.submit")
        await guest.says(guest.t("page.done.campaign_submitted"))

    async def fund_and_approve(self) -> None:
        """Fill the pool, find the campaign in the queue, and approve it."""
        guest, page = self.other, self.other.page
        await guest.be(self.manager_key)
        await guest.go("/staff/pool")
        await page.fill("#reference", self.title)
        await page.fill("#amount", "50000")
        await guest.press("page.pool.put_in")
        await guest.says(guest.t("page.done.pool_filled"))
        await guest.go("/staff/campaigns?status=in_review")
        await guest.follow(page.get_by_role("link", name=self.title, exact=True))
        await page.check("input[name=decision][value=approve]")
        await guest.press("page.staff.decide")
        await guest.says(guest.t("page.done.campaign_approve"))

    async def to_enrolment(self) -> None:
        """Let the time come at which members can enrol."""
        await self.leader.go(f"/studio{self.path}")
        await self._until("enrolling", "deadline")

    async def enrol(self) -> None:
        """Take part as a member who found it in the list."""
        guest, page = self.other, self.other.page
        await guest.be(self.member_key)
        await guest.go("/campaigns")
        await guest.follow(page.get_by_role("link", name=self.title, exact=True))
        await guest.press("page.campaign.enrol")
        await guest.says(guest.t("page.done.enrolled"))

    async def invite(self) -> None:
        """Make a personal link and see it with its QR code."""
        guest, page = self.other, self.other.page
        await guest.press("page.own.invite")
        await guest.press("page.mine_invited.make")
        self.link = (await page.input_value("#link")).removeprefix(guest.base)
        await expect(page.locator("img.qr")).to_be_visible()
        assert await page.evaluate("() => document.querySelector('img.qr').naturalWidth > 0")

    async def take_the_poster(self) -> None:
        """Save the picture that invites, by its button."""
        guest, page = self.other, self.other.page
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name=guest.t("page.mine_invited.poster"), exact=True).click()
        assert (await (await waiting.value).path()).read_bytes().startswith(b"\x89PNG")

    async def invite_by_mail(self) -> None:
        """Write to somebody who looks at the campaign, and then wants no more invitations."""
        guest, reader, address = self.other, self.stranger, f"else-{self.friend_address}"
        await guest.page.fill("#email", address)
        await guest.press("page.mine_invited.send")
        await guest.says(guest.t("page.done.invitation_mailed"))
        await expect(guest.page.locator("ul.invited").first).to_contain_text(address)
        await (await self._letter(address)).first.click()
        await reader.says(self.title)
        await self._fits(reader)
        await (await self._letter(address)).last.click()
        await reader.press("mail.uninvite.button")
        await reader.says(reader.t("mail.uninvite.done"))

    async def _letter(self, address: str) -> Locator:
        """Open the newest mail to ``address``; return its links."""
        await self.stranger.go(f"/outbox?to={quote(address)}")
        mail = self.stranger.page.locator("details.card").first
        await mail.locator("summary").click()
        return mail.locator("a.button")

    async def come_by_link(self) -> None:
        """Follow the link on a phone, sign in there for the first time, and take part."""
        guest, page = self.friend, self.friend.page
        await guest.go(self.link)
        await guest.says(self.title)
        await page.fill("#email", self.friend_address)
        await guest.press("page.sign_in.send")
        await guest.press("page.dev.outbox")
        mail = page.locator("details.card").first
        await mail.locator("summary").click()
        await guest.follow(mail.locator("a.button").first)
        await guest.press("page.sign_in.continue")
        guest.locale = await guest.language()
        await guest.press("page.invitation.join")
        await guest.says(guest.t("page.done.enrolled"))
        await guest.says(guest.t("page.own.not_yet"))
        await self._fits(guest)

    async def first_day(self) -> None:
        """Let the first day begin."""
        await self.leader.go(f"/studio{self.path}")
        await self._until("running", "deadline")

    async def check_in(self, guest: Guest, day: int, *, twice: bool = False) -> None:
        """Check in: too short a note is told beside it, and a good one counts."""
        page = guest.page
        await guest.go(f"{self.path}/me")
        if twice:
            await page.fill("#note", "…")
            await guest.press("page.own.check_in")
            await expect(page.locator("#note-error")).to_be_visible()
            await expect(page.locator("#note")).to_have_value("…")
            guest.expected_refusals()
        await page.fill("#note", self.note(guest, day))
        await guest.press("page.own.check_in")
        await guest.says(guest.t("page.done.checked_in"))
        await guest.says(guest.t("page.own.done"))
        await self._fits(guest)

    async def watch(self, *, scripts: bool) -> None:
        """See on the dashboard that a member checks in; with scripts it changes by itself."""
        guest, page = self.leader, self.leader.page
        figure = page.locator("#live .stats strong").first
        await guest.go(f"/studio{self.path}")
        await expect(figure).to_have_text("1")
        await page.evaluate("() => { window.still = true; }")
        await self.check_in(self.friend, 1, twice=True)
        if not scripts:
            await guest.go(f"/studio{self.path}")
        await expect(figure).to_have_text("2")
        assert await page.evaluate("() => Boolean(window.still)") is scripts

    async def feature(self, *, scripts: bool) -> None:
        """Show a note to everybody; a stranger reads it on its page."""
        guest, note = self.leader, self.note(self.other, 1)
        await guest.go(f"/studio{self.path}")
        await guest.press("page.notes")
        card = guest.page.locator("article", has_text=note)
        await guest.follow(card.get_by_role("button"))
        await guest.says(guest.t("page.done.note_featured"))
        self.share = str(await guest.page.locator("a[href^='/s/']").first.get_attribute("href"))
        await self.stranger.go(self.share)
        await self.stranger.says(note)
        await self.stranger.says(self.title)
        await self._fits(self.stranger)
        picture = await self.stranger.page.request.get(f"{guest.base}{self.share}/preview.png")
        assert picture.headers["content-type"] == "image/png"
        await self.stranger.page.locator("button[value=link]").click()
        await self.stranger.says(self.stranger.t("page.share.copied" if scripts else "page.done.shared"))

    async def live_on(self) -> None:
        """Let the other days pass, with what the two of them write."""
        for day in range(2, DAYS + 1):
            await self.leader.go(f"/studio{self.path}")
            await self.leader.press("page.clock.day")
            for guest in (self.other, self.friend):
                await self.check_in(guest, day)

    async def settle(self) -> None:
        """Let the last night pass: the campaign settles itself."""
        await self.leader.go(f"/studio{self.path}")
        await self._until("settled", "day")

    async def read_the_end(self) -> None:
        """Everybody reads what came of it: report, points, certificate."""
        guest = self.leader
        await guest.go(f"/studio{self.path}")
        await guest.press("page.report")
        await guest.says(self.title)
        await expect(guest.page.locator(".stats div").first).to_contain_text("100")
        await expect(guest.page.locator("#growth")).to_be_visible()
        paid = guest.page.locator("table[aria-labelledby=paid] tbody tr")
        await expect(paid.first).to_contain_text(str(2 * DAYS * POINTS_A_DAY))
        for member in (self.other, self.friend):
            await member.go(f"{self.path}/me")
            await member.press("page.certificate.mine")
            await member.says(self.title)
            await self._fits(member)
            await member.go("/points")
            await member.says(member.t("page.points.for.check_in", title=self.title))
            await self._fits(member)
        await self.other.says(self.other.t("page.points.for.invitation", title=self.title))

    async def _until(self, status: str, step: str, most: int = 12) -> None:
        guest = self.leader
        badge = guest.page.locator("main .badge", has_text=guest.t(f"page.campaign.status.{status}"))
        for _ in range(most):
            if await badge.count():
                return
            await guest.press(f"page.clock.{step}")
        await expect(badge.first).to_be_visible()

    async def _fits(self, guest: Guest) -> None:
        """Assert that nothing is wider than the window."""
        room = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await guest.page.evaluate(room) <= 0, guest.page.url

    async def whole_way(self, *, scripts: bool) -> None:
        """Go the whole way."""
        await self.plan()
        await self.fund_and_approve()
        await self.to_enrolment()
        await self.enrol()
        await self.invite()
        await self.take_the_poster()
        await self.invite_by_mail()
        await self.come_by_link()
        await self.first_day()
        await self.check_in(self.other, 1)
        await self.watch(scripts=scripts)
        await self.feature(scripts=scripts)
        await self.live_on()
        await self.settle()
        await self.read_the_end()

    async def joins(self) -> list[Any]:
        """Return what is recorded of who came by whose invitation."""
        wanted = select(invitation_joins).where(invitation_joins.c.campaign_id == self.id)
        return list(await self.db.read(lambda conn: conn.execute(wanted).mappings().all()))
