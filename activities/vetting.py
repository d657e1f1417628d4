"""Writing transitions of vetting."""

from datetime import UTC, datetime

import structlog
from temporalio import activity

from contracts.vetting import RecordInput, RecordResult
from db.database import Database
from db.repositories import vetting

log = structlog.get_logger(__name__)


class VettingActivities:
    """Side effects of the vetting process on the community's database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="vetting.record")
    async def record(self, given: RecordInput) -> RecordResult:
        """Write one transition in one transaction; tried again it changes nothing."""
        result = await self._db.write(lambda conn: vetting.record(conn, given, datetime.now(UTC)))
        if result.refusal is None and result.ahead is None:
            log.info(
                "transition",
                process_id=given.process_id,
                revision=given.state.revision,
                stage=given.state.stage.value,
            )
        return result
