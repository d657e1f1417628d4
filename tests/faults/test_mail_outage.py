"""The mail provider is away while applications are vetted: they go on, and every mail comes once, later."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select, update

from db.tables.mail import mails
from domain.mail import MAX_ATTEMPTS
from engine.processes import free_port
from tests.faults.processes import Nursery
from tests.faults.world import Application, World, world
from tests.support.sendgrid import API_KEY, LocalSendGrid, Reply
from tests.support.temporal import PrivateTemporal
from tests.support.vetting import until

pytestmark = pytest.mark.faults

PATIENCE_SECONDS = 60.0


class DeadSmtp:
    """A mail server whose port is closed until it is back."""

    error = "smtp: ConnectionRefusedError"

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._port = free_port()
        self.got: list[str] = []
        self.settings = {
            "KAMENG_MAIL_TRANSPORT": "smtp",
            "KAMENG_SMTP_HOST": "127.0.0.1",
            "KAMENG_SMTP_PORT": str(self._port),
            "KAMENG_SMTP_STARTTLS": "false",
        }

    def back(self) -> None:
        server = Controller(self, hostname="127.0.0.1", port=self._port)
        server.start()
        self._stack.callback(server.stop)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.got.append(str(message_from_bytes(content)["Message-ID"]).strip("<>").partition("@")[0])
        return "250 OK"


class DeadSendGrid:
    """A provider that answers 500 until it is back."""

    error = "sendgrid: 500"

    def __init__(self, stack: ExitStack) -> None:
        self._server = stack.enter_context(LocalSendGrid())
        self._server.script = [Reply(500) for _ in range(10_000)]
        self.settings = {
            "KAMENG_MAIL_TRANSPORT": "sendgrid",
            "SENDGRID_API_KEY": API_KEY,
            "KAMENG_SENDGRID_HOST": self._server.url,
        }

    def back(self) -> None:
        self._server.script = []

    @property
    def got(self) -> list[str]:
        return [mail.mail_id for mail in self._server.delivered]


Provider = DeadSmtp | DeadSendGrid


@dataclass
class Outage:
    """The world while its provider is away, with one application in it."""

    here: World
    provider: Provider
    case: Application

    async def mails(self) -> dict[str, tuple[str, int, str | None]]:
        """Status, attempts and error of every mail of the process, by id."""
        rows = await self.here.rows(select(mails).where(mails.c.process_id == self.case.process))
        return {row.id: (row.status, row.attempts, row.error) for row in rows}

    async def wait(self, true: Callable[[dict[str, tuple[str, int, str | None]]], bool]) -> None:
        async def probe() -> bool:
            found = await self.mails()
            return bool(found) and true(found)

        await until(probe, PATIENCE_SECONDS)

    async def hurry(self, **values: int) -> None:
        """Let the pause between two attempts be over; its length is the business of other tests."""
        queued = (mails.c.process_id == self.case.process) & (mails.c.status == "queued")
        change = update(mails).where(queued).values(not_before=datetime.now(UTC), **values)
        await self.here.db.write(lambda conn: conn.execute(change) and None)


@asynccontextmanager
async def outage(
    kind: type[Provider], temporal: PrivateTemporal, nursery: Nursery, url: str, directory: Path
) -> AsyncIterator[Outage]:
    with ExitStack() as stack:
        provider = kind(stack)
        async with world(directory, temporal, nursery, url, settings=provider.settings) as here:
            await here.populate()
            await here.add_applicants("lin")
            yield Outage(here, provider, Application(here, "lin"))


@pytest.mark.parametrize("kind", [DeadSmtp, DeadSendGrid])
async def test_the_process_goes_on_and_every_mail_comes_once(
    kind: type[Provider],
    private_temporal: PrivateTemporal,
    nursery: Nursery,
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    async with outage(kind, private_temporal, nursery, sqlite_url, tmp_path) as out:
        await out.case.draft()
        await out.case.submit()
        await out.case.approve()
        await out.case.roll_mailed()
        assert (await out.case.show())["stage"] == "voting"
        await out.wait(lambda found: all(error == out.provider.error for _, _, error in found.values()))
        assert {status for status, _, _ in (await out.mails()).values()} <= {"queued", "sending"}
        assert out.provider.got == []
        await out.case.votes(7)
        out.provider.back()
        await out.hurry()
        await out.wait(lambda found: all(status == "sent" for status, _, _ in found.values()))
        # Sign-in and other mail is none of the process's.
        sent = await out.mails()
        assert Counter(mail for mail in out.provider.got if mail in sent) == Counter(dict.fromkeys(sent, 1))
        assert min(attempts for _, attempts, _ in sent.values()) >= 2
        await out.case.holds()


async def test_what_was_tried_to_the_last_is_failed_for_all_to_see(
    private_temporal: PrivateTemporal, nursery: Nursery, sqlite_url: str, tmp_path: Path
) -> None:
    async with outage(DeadSmtp, private_temporal, nursery, sqlite_url, tmp_path) as out:
        await out.case.draft()
        await out.case.submit()
        await out.wait(lambda found: all(error is not None for _, _, error in found.values()))
        given_up = set(await out.mails())

        async def failed() -> bool:
            await out.hurry(attempts=MAX_ATTEMPTS - 1)
            return {status for status, _, _ in (await out.mails()).values()} == {"failed"}

        async def logged() -> bool:
            return "result=failed" in (tmp_path / "worker.log").read_text()

        await until(failed, PATIENCE_SECONDS)
        assert {error for _, _, error in (await out.mails()).values()} == {DeadSmtp.error}
        # Said after the commit that is seen above.
        await until(logged, PATIENCE_SECONDS)
        out.provider.back()
        # The process never waited for it, and what it writes from now on arrives.
        await out.case.review("reviewer1")
        assert (await out.case.show())["stage"] == "second_review"
        await out.wait(
            lambda found: (
                all(status == "sent" for mail, (status, _, _) in found.items() if mail not in given_up)
                and len(found) > len(given_up)
            )
        )
        assert not given_up & set(out.provider.got)
        await out.case.holds()
