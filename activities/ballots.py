"""Ballots: freezing the roll, mailing it page by page, counting."""

from datetime import UTC, datetime

from temporalio import activity

from activities.heartbeat import heartbeating
from contracts.ballots import CountBallot, CountedBallot, MailedRoll, MailRoll, OpenBallot, OpenedBallot
from db.database import Database
from db.repositories import ballots, vetting
from domain.ballots import shard_bounds

PAGE = 5_000


class BallotActivities:
    """Side effects of a ballot on the community's database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="ballots.open")
    async def open(self, given: OpenBallot) -> OpenedBallot:
        """Freeze the roll and open the ballot, once."""
        async with heartbeating():
            return await self._db.write(lambda conn: ballots.open_ballot(conn, given, datetime.now(UTC)))

    @activity.defn(name="ballots.cancel")
    async def cancel(self, ballot_id: str) -> None:
        """Take an open ballot away."""
        await self._db.write(lambda conn: vetting.cancel_ballot(conn, ballot_id))

    @activity.defn(name="ballots.count")
    async def count(self, given: CountBallot) -> CountedBallot:
        """Close and count, or extend once."""
        async with heartbeating():
            return await self._db.write(lambda conn: ballots.count(conn, given))

    @activity.defn(name="ballots.mail_roll")
    async def mail_roll(self, given: MailRoll) -> MailedRoll:
        """Queue the mail to one shard of the roll, page by page, from where an earlier try stopped.

        The position in the heartbeat is a hint: every mail has its key, so a page done twice adds none.
        """
        roll = await self._db.read(lambda conn: ballots.roll_size(conn, given.ballot_id))
        position, last = shard_bounds(roll, given.shards, given.shard)
        queued = 0
        if details := activity.info().heartbeat_details:
            position, queued = int(details[0]), int(details[1])
        while position < last:
            end = min(position + PAGE, last)
            page = await self._page(given, position, end)
            if page is None:
                break
            position, queued = end, queued + page
            activity.heartbeat(position, queued)
        return MailedRoll(queued=queued)

    async def _page(self, given: MailRoll, first: int, last: int) -> int | None:
        return await self._db.write(
            lambda conn: ballots.queue_page(conn, given, first, last, datetime.now(UTC))
        )
