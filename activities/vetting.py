"""Writing transitions of vetting."""

from datetime import UTC, datetime

from temporalio import activity

from contracts.vetting import RecordInput, RecordResult
from db.database import Database
from db.repositories import vetting


class VettingActivities:
    """Side effects of the vetting process on the community's database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="vetting.record")
    async def record(self, given: RecordInput) -> RecordResult:
        """Write one transition in one transaction; tried again it changes nothing."""
        return await self._db.write(lambda conn: vetting.record(conn, given, datetime.now(UTC)))
