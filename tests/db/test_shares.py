"""Notes shown to everybody as they are stored: who may be shown, and what comes of it, counted once."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from db.database import Database
from db.repositories import featured, people, requests, share_visits
from db.repositories.featured import Featured
from db.tables.campaigns import check_ins
from db.tables.people import people as people_rows
from db.tables.shares import featured_notes, note_shares, share_joins
from db.tables.shares import share_visits as visit_rows
from domain.campaigns.sharing import FeatureRefusal, ShareChannel, SharingChoice
from domain.campaigns.terms import Status
from domain.people import PersonStatus
from tests.support.campaigns import NOTE, Campaign, add_people

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@dataclass
class Notes:
    """A running campaign with an author who has checked in on its first day."""

    campaign: Campaign
    author: str
    note: str

    @classmethod
    async def begin(cls, db: Database, text: str = NOTE) -> "Notes":
        campaign = await Campaign.at(db, members=2)
        await campaign.go(1)
        author = campaign.members[0]
        assert (await campaign.check_in(author, note=text)).outcome == "counted"
        own = check_ins.c.person_id == author
        [row] = await campaign.rows(select(check_ins.c.id).where(own))
        return cls(campaign, author, row["id"])

    @property
    def db(self) -> Database:
        return self.campaign.db

    async def feature(self) -> Featured | FeatureRefusal:
        """Feature as the service does: judged and written in one transaction."""

        def write(conn: Any) -> Featured | FeatureRefusal:
            found = featured.locked_note(conn, self.note)
            return featured.refusal(found) or featured.feature(conn, found, self.campaign.leader, NOW)

        return await self.db.write(write)

    async def featured(self) -> Featured:
        done = await self.feature()
        assert isinstance(done, Featured), done
        return done

    async def id(self) -> str:
        found = await self.db.read(lambda conn: featured.id_of(conn, self.note))
        assert found is not None
        return found

    async def live(self, code: str) -> bool:
        """Tell whether strangers see it: by its address, and in the campaign's list, which must agree."""
        stands = await self.db.read(lambda conn: featured.by_code(conn, code))
        listed = await self.db.read(lambda conn: featured.shown(conn, self.campaign.id, None, 50))
        assert [row.code for row in listed] == ([code] if stands.live else [])
        return bool(stands.live)

    async def visit(self, visitor: str, host: str = "", now: datetime = NOW) -> bool:
        featured_id = await self.id()
        return await self.db.write(lambda conn: share_visits.visit(conn, featured_id, visitor, host, now))


async def hide(notes: Notes, private: bool) -> None:
    def write(conn: Any) -> None:
        featured.set_private(conn, featured.locked_note(conn, notes.note), private, NOW)

    await notes.db.write(write)


async def choose(notes: Notes, choice: SharingChoice) -> None:
    await notes.db.write(lambda conn: featured.choose(conn, notes.campaign.id, notes.author, choice, NOW))


async def test_a_note_has_one_address_whoever_asks_and_how_often(db: Database):
    notes = await Notes.begin(db)
    made = await asyncio.gather(*(notes.featured() for _ in range(8)))
    assert len({one.code for one in made}) == 1
    assert [one.is_new for one in made].count(True) == 1
    assert len(made[0].code) >= 22
    assert len(await notes.campaign.rows(select(featured_notes))) == 1
    assert await notes.live(made[0].code)
    stands = await db.read(lambda conn: featured.by_code(conn, made[0].code))
    assert (stands.note, stands.day, stands.author_id) == (NOTE, 1, notes.author)
    assert await db.read(lambda conn: featured.by_code(conn, "never-was")) is None
    assert await db.read(lambda conn: featured.locked_note(conn, "never-was")) is None


async def test_taken_down_and_shown_again_it_keeps_its_address_and_its_visits(db: Database):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    assert await notes.visit("a")

    def take_down(conn: Any) -> bool:
        return featured.take_down(conn, featured.locked_note(conn, notes.note), NOW)

    assert await db.write(take_down)
    assert not await db.write(take_down)
    assert not await notes.live(code)
    [row] = await notes.campaign.rows(select(check_ins.c.featured_at))
    assert row["featured_at"] is None
    assert await db.read(lambda conn: featured.listed(conn, notes.campaign.id, None, 9)) == []
    again = await notes.featured()
    assert (again.code, again.is_new) == (code, True)
    assert not await notes.visit("a")
    [listed] = await db.read(lambda conn: featured.listed(conn, notes.campaign.id, None, 9))
    assert (listed.visits, listed.joins) == (1, 0)


async def test_a_note_that_says_nothing_is_not_shown(db: Database):
    notes = await Notes.begin(db)
    await notes.campaign.db.write(
        lambda conn: conn.execute(update(check_ins).values(note=" \u200b ")) and None
    )
    assert await notes.feature() is FeatureRefusal.NOTHING_TO_SHOW


async def test_what_its_author_keeps_private_is_down_and_stays_down(db: Database):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    await hide(notes, True)
    await hide(notes, True)
    assert not await notes.live(code)
    assert await notes.feature() is FeatureRefusal.DECLINED
    own = await db.read(lambda conn: featured.own_private(conn, notes.campaign.id, notes.author))
    assert own == {notes.note}
    await hide(notes, False)
    assert not await notes.live(code), "it came back without the leader"
    assert (await notes.featured()).code == code
    assert await notes.live(code)


async def test_a_choice_counts_for_all_notes_of_the_campaign(db: Database):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code

    async def named() -> str:
        return str((await db.read(lambda conn: featured.by_code(conn, code))).author)

    assert (await named()).startswith("Shown ")
    await choose(notes, SharingChoice.ANONYMOUS)
    assert await named() == ""
    await choose(notes, SharingChoice.DECLINED)
    assert not await notes.live(code)
    assert await notes.feature() is FeatureRefusal.DECLINED
    kept = await db.read(lambda conn: featured.choice_of(conn, notes.campaign.id, notes.author))
    assert kept is SharingChoice.DECLINED
    await choose(notes, SharingChoice.NAMED)
    assert not await notes.live(code), "it came back without the leader"
    other = await db.read(lambda conn: featured.choice_of(conn, notes.campaign.id, notes.campaign.members[1]))
    assert other is SharingChoice.NAMED


async def suspend(notes: Notes) -> None:
    await notes.db.write(lambda conn: people.set_status(conn, notes.author, PersonStatus.SUSPENDED))


async def bad_standing(notes: Notes) -> None:
    await notes.db.write(lambda conn: people.set_standing(conn, notes.author, good=False))


async def leave(notes: Notes) -> None:
    await notes.campaign.leave(notes.author)


@pytest.mark.parametrize("gone", [suspend, bad_standing, leave])
async def test_whoever_is_gone_is_not_shown_from_that_instant(db: Database, gone: Any):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    await gone(notes)
    assert not await notes.live(code)
    assert await notes.feature() is FeatureRefusal.AUTHOR_GONE


async def test_of_a_deleted_person_nothing_is_left_but_that_there_was_a_note(db: Database):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    await notes.visit("a")
    await notes.db.write(
        lambda conn: conn.execute(delete(people_rows).where(people_rows.c.id == notes.author)) and None
    )
    stands = await db.read(lambda conn: featured.by_code(conn, code))
    assert (stands.live, stands.note, stands.author, stands.author_id) == (False, None, None, None)
    reach = await db.read(lambda conn: share_visits.reach(conn, notes.campaign.id))
    assert (reach.notes, reach.visits) == (1, 1)


@pytest.mark.parametrize("status", [Status.SETTLING, Status.SETTLED, Status.CANCELLED])
async def test_a_campaign_that_is_over_shows_its_notes_and_a_cancelled_one_does_not(
    db: Database, status: Status
):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    await notes.campaign.go(31, status)
    assert await notes.live(code) is (status is not Status.CANCELLED)


async def test_a_visitor_counts_once_a_note_however_many_at_once(db: Database):
    notes = await Notes.begin(db)
    await notes.featured()
    first = await asyncio.gather(*(notes.visit(f"v{n % 3}", "news.example") for n in range(24)))
    assert first.count(True) == 3
    assert not await notes.visit("v0", "else.example", NOW + timedelta(days=1))
    assert await notes.visit("v9", "", NOW + timedelta(days=1))
    featured_id = await notes.id()
    days = await db.read(lambda conn: share_visits.by_day(conn, featured_id))
    assert [tuple(row) for row in days] == [("2026-03-06", "", 1), ("2026-03-05", "news.example", 3)]


async def test_who_looks_at_several_notes_is_one_visitor_of_the_campaign(db: Database):
    notes = await Notes.begin(db)
    await notes.featured()
    other = notes.campaign.members[1]
    assert (await notes.campaign.check_in(other, note=NOTE)).outcome == "counted"
    [row] = await notes.campaign.rows(select(check_ins.c.id).where(check_ins.c.person_id == other))
    second = Notes(notes.campaign, other, row["id"])
    await second.featured()
    assert await second.visit("v1", "", NOW + timedelta(days=1))
    assert await notes.visit("v1", "", NOW)
    assert await second.visit("v2", "", NOW + timedelta(days=1))
    days = await db.read(lambda conn: share_visits.by_day_of_all(conn, notes.campaign.id))
    assert [tuple(row) for row in days] == [("2026-03-06", 1), ("2026-03-05", 1)]
    assert await db.read(lambda conn: share_visits.by_day_of_all(conn, "0" * 36)) == []


async def test_clients_without_a_cookie_are_believed_so_often(db: Database):
    notes = await Notes.begin(db)
    await notes.featured()
    featured_id = await notes.id()

    async def come(visitor: str, window: int = 7) -> bool:
        limit = ("share_visit:client", window, 3)
        return await db.write(
            lambda conn: share_visits.visit_of_unknown(conn, featured_id, visitor, "", NOW, limit)
        )

    assert [await come(f"v{n}") for n in range(5)] == [True, True, True, False, False]
    assert await come("v5", window=8)
    assert await notes.visit("v6"), "who keeps the cookie is not held back by others"
    assert await db.write(lambda conn: requests.hit(conn, "share_visit:client", 7)) == 6


async def test_who_joins_counts_for_the_last_note_that_is_not_their_own(db: Database):
    notes = await Notes.begin(db)
    await notes.featured()
    other = await Notes.begin(db)
    await other.featured()
    mine, foreign = await notes.id(), await other.id()
    [cat] = await db.write(lambda conn: add_people(conn, 1))

    async def joined(person: str, *followed: str) -> bool:
        at = [(one, NOW + timedelta(minutes=n)) for n, one in enumerate(followed)]
        return await db.write(lambda conn: share_visits.joined(conn, notes.campaign.id, person, at, NOW))

    assert not await joined(cat)
    assert not await joined(cat, foreign, "never-was")
    assert not await joined(notes.author, mine)
    assert await joined(cat, mine, foreign)
    assert not await joined(cat, mine)
    rows = await notes.campaign.rows(select(share_joins.c.person_id, share_joins.c.featured_id))
    assert rows == [{"person_id": cat, "featured_id": mine}]
    reach = await db.read(lambda conn: share_visits.reach(conn, notes.campaign.id))
    assert tuple(reach) == (1, 0, 1)


async def test_passing_on_counts_once_a_channel_and_within_its_time(db: Database):
    notes = await Notes.begin(db)
    code = (await notes.featured()).code
    note = await db.read(lambda conn: featured.by_code(conn, code))

    async def share(sharer: str, channel: ShareChannel, person: str | None = None) -> bool:
        return await db.write(lambda conn: share_visits.share(conn, note, sharer, person, channel, NOW))

    both = [ShareChannel.LINK, ShareChannel.POSTER]
    assert [await share("a", channel) for channel in both * 2] == [True, True, False, False]
    assert await share("b", ShareChannel.LINK, notes.author)

    async def between(since: datetime, until: datetime) -> int:
        campaign_id = notes.campaign.id
        return await db.read(lambda conn: share_visits.shares_between(conn, campaign_id, since, until))

    second = timedelta(seconds=1)
    assert await between(NOW, NOW + second) == 3
    assert await between(NOW - second, NOW) == 0
    assert await between(NOW + second, NOW + 2 * second) == 0
    # What a member passed on goes with that person; what strangers did stays.
    await db.write(
        lambda conn: conn.execute(delete(people_rows).where(people_rows.c.id == notes.author)) and None
    )
    assert (await notes.campaign.rows(select(func.count().label("n")).select_from(note_shares)))[0]["n"] == 2


async def test_visits_go_with_the_campaign_and_lists_come_in_pages(db: Database):
    notes = await Notes.begin(db)
    codes = [(await notes.featured()).code]
    assert (await notes.campaign.check_in(notes.campaign.members[1], note=NOTE)).outcome == "counted"
    own = check_ins.c.person_id == notes.campaign.members[1]
    [row] = await notes.campaign.rows(select(check_ins.c.id).where(own))
    codes.append((await Notes(notes.campaign, notes.campaign.members[1], row["id"]).featured()).code)

    def page(before: str | None) -> Any:
        return db.read(lambda conn: featured.shown(conn, notes.campaign.id, before, 1))

    [newest] = await page(None)
    [oldest] = await page(newest.id)
    assert [newest.code, oldest.code] == codes[::-1]
    assert await page(oldest.id) == []
    authors = await db.read(
        lambda conn: featured.listed(conn, notes.campaign.id, None, 9, author_id=notes.author)
    )
    assert [one.code for one in authors] == codes[:1]
    assert await notes.campaign.rows(select(visit_rows)) == []
