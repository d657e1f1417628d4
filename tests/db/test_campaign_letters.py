"""Letters of a running campaign as they are queued: who gets one, and what it says about each reader."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from contracts.base import campaign_process_id
from contracts.campaigns import BulkInput
from db.database import Database
from db.repositories import campaign_bulk, enrolments
from db.repositories.campaign_bulk import Cursor
from db.tables.mail import mails
from domain.campaigns.members import SHARDS
from domain.campaigns.state import Notice
from domain.campaigns.terms import Status
from domain.mail import MailTemplate
from tests.support.campaigns import MONDAY, Campaign, add_people
from tests.support.settling import close

PAGE = 2
AT = datetime.now(UTC)


def given(campaign: Campaign, **values: Any) -> BulkInput:
    own = {"campaign_id": campaign.id, "process_id": campaign_process_id(campaign.id)}
    return BulkInput(**{**own, "at": AT, "first": 0, "last": SHARDS} | values)


async def sent(campaign: Campaign, template: MailTemplate) -> dict[str, dict[str, Any]]:
    """The letters of ``template``: what each reader's says."""
    found = await campaign.rows(select(mails).where(mails.c.template == template.value))
    assert len({row["person_id"] for row in found}) == len(found)
    return {row["person_id"]: row["data"] for row in found}


async def remind(campaign: Campaign, day: int) -> list[str]:
    """Send the reminder of ``day``, page by page; return who has got one by then."""

    def write(conn: Connection) -> None:
        order = given(campaign, day=day, slot=21)
        after: Cursor | None = None
        while (end := campaign_bulk.remind_page(conn, order, after, PAGE, AT).end) is not None:
            after = end

    await campaign.db.write(write)
    return sorted(await sent(campaign, MailTemplate.CAMPAIGN_REMINDER))


async def reminded(db: Database, day: int, **changes: Any) -> Campaign:
    """A campaign of three who want their reminder at nine in the evening."""
    campaign = await Campaign.at(db, day=day, members=3, **changes)
    for one in campaign.members:
        await db.write(lambda conn: enrolments.set_reminder_hour(conn, campaign.id, one, 21))  # noqa: B023
    return campaign


async def test_nobody_is_reminded_on_a_day_of_rest(db: Database):
    campaign = await reminded(db, 1, rest_weekdays=(MONDAY.weekday(),))
    assert await remind(campaign, 1) == []
    await campaign.go(2)
    assert await remind(campaign, 2) == sorted(campaign.members)


async def test_nobody_is_reminded_of_a_day_that_an_amnesty_has_freed(db: Database):
    campaign = await reminded(db, 2)
    await campaign.amnesty([2], AT)
    assert await remind(campaign, 2) == []


async def tell(campaign: Campaign, notice: Notice) -> dict[str, dict[str, Any]]:
    """Write to everybody whom a notice is for, page by page; return what each one's letter says."""

    def write(conn: Connection) -> None:
        order = given(campaign, number=1, notice=notice)
        after: Cursor | None = None
        while (end := campaign_bulk.tell_page(conn, order, after, PAGE, AT).end) is not None:
            after = end

    await campaign.db.write(write)
    return await sent(campaign, notice.template)


async def test_who_is_told_that_it_goes_on_is_told_what_they_have_done_already(db: Database):
    campaign = await Campaign.at(db, day=2, members=3, capacity=3)
    [waiting] = await db.write(lambda conn: add_people(conn, 1))
    await campaign.enrol(waiting)
    ann, bob, eve = campaign.members
    await campaign.check_in(ann)
    await campaign.leave(eve)
    # Who moved up has a member's letter; nobody else is left in line.
    [late] = await db.write(lambda conn: add_people(conn, 1))
    await campaign.enrol(late)
    data = {"day": 2, "closes_at": AT.isoformat()}
    told = await tell(campaign, Notice(template=MailTemplate.CAMPAIGN_RESUMED, data=data, waiting=True))
    found = {one: (letter["place"], letter["done"]) for one, letter in told.items()}
    assert found == {
        ann: ("active", True),
        bob: ("active", False),
        waiting: ("active", False),
        late: ("waiting", False),
    }


async def test_who_gets_a_place_during_a_pause_reads_that_it_is_paused(db: Database):
    for status, paused in ((Status.RUNNING, False), (Status.PAUSED, True)):
        campaign = await Campaign.at(db, members=1, capacity=1)
        [waiting] = await db.write(lambda conn: add_people(conn, 1))
        await campaign.enrol(waiting)
        await campaign.go(2, status)
        await campaign.leave(campaign.members[0])
        told = await sent(campaign, MailTemplate.CAMPAIGN_PLACE_FREE)
        assert told[waiting]["paused"] is paused


async def test_who_waits_in_vain_is_told_once_with_the_opening_or_with_the_close(db: Database):
    campaign = await Campaign.at(db, members=1, capacity=1, late_enrolment_until_day=0)
    first, second = await db.write(lambda conn: add_people(conn, 2))
    await campaign.enrol(first)
    await campaign.enrol(second)
    await campaign.go(1)
    notice = Notice(template=MailTemplate.CAMPAIGN_NO_PLACE, waiting=True, members=False)
    assert set(await tell(campaign, notice)) == {first, second}
    await tell(campaign, notice)
    await campaign.go(2)
    await close(campaign, 1)
    # The first close still tells them where a process from before has not.
    assert set(await sent(campaign, MailTemplate.CAMPAIGN_NO_PLACE)) == {first, second}
