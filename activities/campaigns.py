"""Side effects of the campaign process: its record, a day's close, reminders, settlement, report."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.heartbeat import heartbeating
from contracts.campaigns import BulkInput, BulkResult, FinishInput, RecordInput, RecordResult
from db.database import Database
from db.repositories import (
    amnesties,
    campaign_bulk,
    campaign_reports,
    campaigns,
    settlement_letters,
    settlements,
)
from db.repositories.campaign_bulk import Cursor, Page
from domain.campaigns.notices import RESULTS

PAGE = 10_000
# Each of these is a letter or a member counted anew in Python: smaller pages keep others waiting less.
SMALL_PAGE = 1_000
# Paid in a few statements a page, whatever its size.
PAY_PAGE = 4_000

_Work = Callable[[Connection, BulkInput, Cursor | None, int, datetime], Page]


class CampaignActivities:
    """What the process of a campaign orders from the community's database."""

    def __init__(
        self, db: Database, page: int = PAGE, small_page: int = SMALL_PAGE, pay_page: int = PAY_PAGE
    ) -> None:
        self._db = db
        self._page, self._small_page, self._pay_page = page, small_page, pay_page

    @activity.defn(name="campaigns.record")
    async def record(self, given: RecordInput) -> RecordResult:
        """Write one transition in one transaction; tried again it changes nothing."""
        return await self._db.write(lambda conn: campaigns.record(conn, given, datetime.now(UTC)))

    @activity.defn(name="campaigns.close_day")
    async def close_day(self, given: BulkInput) -> BulkResult:
        """Close a day for one shard, and count it."""
        await self._paged(given, campaign_bulk.close_page, self._page)
        async with heartbeating():
            return await self._db.read(lambda conn: campaign_bulk.day_sums(conn, given))

    @activity.defn(name="campaigns.remind")
    async def remind(self, given: BulkInput) -> BulkResult:
        """Queue one hour's reminder to those of a shard who have not checked in."""
        await self._paged(given, campaign_bulk.remind_page, self._page)
        return BulkResult()

    @activity.defn(name="campaigns.tell")
    async def tell(self, given: BulkInput) -> BulkResult:
        """Queue a letter about what was done to the campaign to the members of a shard."""
        if given.notice is not None and given.notice.template in RESULTS:
            await self._paged(given, settlement_letters.tell_page, self._pay_page)
        else:
            await self._paged(given, campaign_bulk.tell_page, self._small_page)
        return BulkResult()

    @activity.defn(name="campaigns.repair")
    async def repair(self, given: BulkInput) -> BulkResult:
        """Count the members of a shard again after an amnesty; ``members`` are all changed so far."""
        await self._paged(given, amnesties.repair_page, self._small_page)
        async with heartbeating():
            return await self._db.read(lambda conn: amnesties.sums(conn, given))

    @activity.defn(name="campaigns.settle")
    async def settle(self, given: BulkInput) -> BulkResult:
        """Pay one shard what it earned, each member once, and write why."""
        prizes = await self._db.read(lambda conn: settlements.rank_prizes(conn, given))

        def pay(conn: Connection, shard: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
            return settlements.pay_page(conn, shard, prizes, after, size, now)

        await self._paged(given, pay, self._pay_page)
        async with heartbeating():
            return await self._db.read(lambda conn: settlements.sums(conn, given))

    @activity.defn(name="campaigns.report")
    async def report(self, given: FinishInput) -> None:
        """Write the report of a campaign whose members are all paid."""
        async with heartbeating():
            await self._db.write(lambda conn: campaign_reports.make(conn, given.campaign_id, given.at))

    async def _paged(self, given: BulkInput, work: _Work, size: int) -> None:
        """Do ``work`` page by page from where an earlier try stopped.

        The cursor in the heartbeat is a hint: a page done twice changes nothing.
        """
        details = activity.info().heartbeat_details
        # A worker of an earlier version left a number first: what it did is done again.
        cursor: Cursor | None = details[0] if details and isinstance(details[0], str) else None
        while (cursor := await self._one_page(given, work, cursor, size)) is not None:
            activity.heartbeat(cursor)

    async def _one_page(
        self, given: BulkInput, work: _Work, after: Cursor | None, size: int
    ) -> Cursor | None:
        page = await self._db.write(lambda conn: work(conn, given, after, size, datetime.now(UTC)))
        return page.end
