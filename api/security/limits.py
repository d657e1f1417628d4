"""Rate limits on what strangers can try: counters in fixed windows, shared by all API processes."""

import hashlib
from datetime import UTC, datetime
from typing import Final

from api.problems import too_many_requests
from db.database import Database
from db.repositories import requests

WINDOW_SECONDS: Final = 15 * 60


async def count(db: Database, what: str, subject: str, limit: int) -> None:
    """Count one try of ``what`` by ``subject`` in this quarter of an hour.

    The subject is stored hashed: addresses are personal data. Raises ``Problem`` (429) past ``limit``.
    """
    seconds = int(datetime.now(UTC).timestamp())
    window = seconds // WINDOW_SECONDS
    bucket = f"{what}:{hashlib.sha256(subject.encode()).hexdigest()[:40]}"
    tries = await db.write(lambda conn: requests.hit(conn, bucket, window))
    if tries > limit:
        raise too_many_requests((window + 1) * WINDOW_SECONDS - seconds)
