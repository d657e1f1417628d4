"""What tests of dispatch share: a clock that skips, a provider to send to, and mails to send."""

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.mail import Dispatcher, _Counts
from db.database import Database
from mail.transports import SendGridTransport
from tests.support.mail import add_person, config, queue_for, renderer, row_of
from tests.support.sendgrid import API_KEY, LocalSendGrid


class Clock:
    """The wall clock, which a test may skip ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def skip(self, span: timedelta) -> None:
        self._ahead += span


def sendgrid(provider: LocalSendGrid) -> SendGridTransport:
    given = {"sendgrid_host": provider.url, "sendgrid_api_key": API_KEY, "mail_timeout_seconds": 20.0}
    return SendGridTransport(config(**given), renderer())


async def queued(database: Database, count: int = 1, **values: Any) -> list[str]:
    person = await database.write(add_person)
    return await database.write(lambda conn: queue_for(conn, person, count, **values))


async def row(database: Database, mail_id: str) -> dict[str, Any]:
    return await database.read(lambda conn: row_of(conn, mail_id))


async def run(dispatcher: Dispatcher) -> _Counts:
    """Work until nothing is due."""
    counts = _Counts()
    while await dispatcher.tick(counts, lambda: None):
        pass
    return counts
