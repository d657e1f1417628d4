"""The way of an application from the first visit to the certificate, by clicking, as the people concerned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import FilePayload, expect
from sqlalchemy import select

from db.database import Database
from db.repositories import contributions
from db.tables.people import people
from db.tables.vetting import applications
from engine.papers import paper
from engine.seed_people import HOST
from engine.seed_stories import lived
from tests.browser.guests import Guest

QUORUM_VOTES = 5
WEEKS = 10

TEXTS = {
    "zh-CN": {
        "headline": "三十天学会看懂星空",
        "bio": "在一座虚构的天文馆做了十一年讲解员，带过四十次路边观星，答过上万个孩子的问题。",
        "tags": "天文，观星",
        "links": "https://stars.example/zh",
        "statement": "我想带大家用三十天认出三十个星座：每天一个，肉眼就够，阴天就讲故事。"
        "每个人每天写一句自己看到的，看不到也写；每周一次线上答疑，谁的问题都不会落下。",
        "scope": "天文",
        "issuer": "示例天文馆",
    },
    "en": {
        "headline": "Read the night sky in thirty days",
        "bio": "Eleven years of guiding at a planetarium that does not exist, and forty roadside evenings.",
        "tags": "astronomy, habits",
        "links": "https://stars.example/en",
        "statement": "I want to lead thirty evenings: one constellation each, by naked eye, and a story "
        "for every cloudy night. Everybody writes one line about what they saw, and no question stays open.",
        "scope": "astronomy",
        "issuer": "Planetarium of Nowhere",
    },
}


OTHER = {"zh-CN": "en", "en": "zh-CN"}


@dataclass
class Journey:
    """One application on its way; everybody in it has a browser window.

    Where it ``alternates``, the applicant goes over to the other language after each step.
    """

    applicant: Guest
    db: Database
    key: str
    name: str
    alternates: bool = False
    path: str = ""
    languages: list[str] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def email(self) -> str:
        return f"{self.key}@{HOST}"

    async def turn(self) -> None:
        """Note the language that a step was made in, and choose the one for the next."""
        self.languages.append(await self.applicant.language())
        if self.alternates:
            await self.applicant.read_in(OTHER[self.applicant.locale])

    async def arrive(self) -> None:
        """Sign up, and take a name."""
        guest = self.applicant
        await guest.sign_up(self.email)
        await guest.go("/account")
        await guest.page.fill("#display_name", self.name)
        await guest.press("page.save")
        await guest.says(guest.t("page.done.account_changed"))

    async def fill_in(self) -> None:
        """Go through the wizard to its last step."""
        guest, page = self.applicant, self.applicant.page
        await guest.go("/")
        await guest.press("page.front.apply")
        await guest.press("page.apply.begin")
        self.path = page.url.removeprefix(guest.base).removesuffix("/edit/profile")
        texts = self.texts = TEXTS[guest.locale]
        for step in (("headline", "bio", "tags", "links"), ("statement",)):
            for name in step:
                await page.fill(f"#{name}", texts[name])
            await guest.press("page.wizard.next")
            await self.turn()
        await page.fill("#scope-0", texts["scope"])
        await page.fill("#issuer-0", texts["issuer"])
        await guest.press("page.wizard.next")
        for kind in ("identity", "credential"):
            await self.upload(kind)
            await self.turn()
        await guest.go(f"{self.path}/edit/credentials")
        await page.check("input[name=proof] >> nth=0")
        await guest.press("page.wizard.next")
        await guest.press("page.wizard.next")

    async def upload(self, kind: str) -> None:
        """Hand a document in on the step that is open."""
        page = self.applicant.page
        await page.select_option("#kind", kind)
        await page.set_input_files("#file", document(kind, self.name))
        await self.applicant.press("page.wizard.upload")
        await expect(page.get_by_role("link", name=f"{kind}.pdf", exact=True)).to_be_visible()

    async def submit(self) -> None:
        """Hand the application in."""
        guest = self.applicant
        await guest.says(guest.t("page.wizard.complete"))
        await guest.press("page.wizard.submit")
        await guest.says(guest.t("page.done.submitted"))
        await guest.says(guest.word("stage", "first_review"))
        await guest.says(guest.word("waiting_on", "reviewer"))

    async def review(self, reviewer: Guest, key: str) -> None:
        """Give a favourable opinion at the staff desk: find, claim, tick, decide."""
        page = reviewer.page
        await reviewer.be(key)
        await reviewer.go("/staff")
        await page.fill("#q", self.name)
        await reviewer.press("page.staff.filter")
        await reviewer.follow(page.get_by_role("link", name=self.name).first)
        await reviewer.press("page.staff.claim")
        await reviewer.says(reviewer.t("page.staff.me"))
        for box in await page.locator("input[name=checklist]").all():
            await box.check()
        for verdict in await page.locator("input[value=verified]").all():
            await verdict.check()
        await page.check("input[name=decision][value=approve]")
        await reviewer.press("page.staff.decide")
        await reviewer.says(reviewer.t("page.done.decided_review"))

    async def vote(self, voter: Guest, key: str, choice: str) -> None:
        """Cast a vote and keep its receipt."""
        page = voter.page
        await voter.be(key)
        await voter.go("/ballots")
        await voter.follow(page.get_by_role("link", name=self.name, exact=True))
        await page.check(f"input[value={choice}]")
        await voter.press("page.ballot.cast")
        await voter.says(voter.t("page.ballot.voted"))
        self.receipts[key] = (await page.locator("#receipt").inner_text()).strip()

    async def to_deadline(self) -> None:
        """Press the time machine's button for the next deadline."""
        await self.applicant.go(self.path)
        await self.applicant.press("page.clock.deadline")

    async def check_receipt(self, voter: Guest, key: str) -> None:
        """Look one's receipt up after the close, and find it among all of them."""
        page = voter.page
        await voter.go(f"/ballots/{await self.value('ballot_id')}")
        await voter.says(voter.word("ballot_outcome", "passed"))
        await page.fill("#own", self.receipts[key].lower())
        await voter.press("page.ballot.look_up")
        await voter.says(voter.t("page.ballot.receipt_counted"))
        await voter.press("page.ballot.all_receipts")
        shown = {line.strip() for line in await page.locator("ul.receipt li").all_inner_texts()}
        assert set(self.receipts.values()) <= shown

    async def live_through_probation(self) -> None:
        """Let sixty days go by, week by week, with what a good leader does in them."""
        guest = self.applicant
        begun = (await self.value("probation_starts_at")) or datetime.now(UTC)
        rows, ends = list(lived(self.key, begun, 60)), begun + timedelta(days=60)
        # Told at the end of those days, to which the clock is about to be moved.
        await self.db.write(lambda conn: contributions.record(conn, rows, ends) and None)
        await guest.go(self.path)
        await guest.says(guest.t("page.probation.first_week"))
        over = guest.word("stage", "probation_decision")
        for _ in range(WEEKS):
            await guest.press("page.clock.week")
            if await guest.page.get_by_role("heading", name=over).count():
                return
        raise AssertionError("probation did not end")

    async def confirm_probation(self, reviewer: Guest, key: str) -> None:
        """Confirm at the staff desk what the figures recommend."""
        await reviewer.be(key)
        await reviewer.go(f"/staff{self.path}")
        await reviewer.page.check("input[name=decision][value=pass]")
        await reviewer.press("page.staff.decide")
        await reviewer.says(reviewer.t("page.done.decided_probation"))

    async def arrived(self) -> None:
        """See the certificate: on the status page, and as a stranger on the front page."""
        guest = self.applicant
        await guest.go(self.path)
        await guest.says(guest.word("status", "certified"))
        await guest.go("/")
        await expect(guest.page.locator(".card", has_text=self.name)).to_contain_text(self.texts["scope"])

    async def value(self, column: str) -> Any:
        """Return a column of the application's row."""
        statement = (select(applications).join(people, people.c.id == applications.c.person_id)).where(
            people.c.email == self.email
        )
        return await self.db.read(lambda conn: conn.execute(statement).mappings().one().get(column))

    async def whole_way(self, other: Guest, reviewers: Sequence[str], voters: Sequence[str]) -> None:
        """Go the whole way; ``other`` is the window that everybody but the applicant comes to in turn."""
        await self.arrive()
        await self.turn()
        await self.fill_in()
        await self.submit()
        await self.turn()
        for key in reviewers[:2]:
            await self.review(other, key)
        for key in voters:
            await self.vote(other, key, "yes")
        await self.to_deadline()
        await self.turn()
        await self.check_receipt(other, voters[-1])
        await self.live_through_probation()
        await self.confirm_probation(other, reviewers[0])
        await self.arrived()


def document(kind: str, name: str) -> FilePayload:
    """Return a small PDF to upload, different for every kind and person."""
    content = paper(f"Fiction: {kind}", [name.encode("unicode_escape").decode(), str(timedelta(days=1))])
    return {"name": f"{kind}.pdf", "mimeType": "application/pdf", "buffer": content}
