"""Delivery of queued mail: one long activity that watches the queue and hands over what is due."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from temporalio import activity

from contracts.mail import DeliverOrder, DeliverReport, Letter
from db.database import Database
from db.errors import DatabaseUnavailable
from db.repositories import mail_delivery
from db.repositories.mail_delivery import Settled
from domain.mail import LONGEST_POSTPONEMENT, MAX_ATTEMPTS, MailStatus, MailTemplate, retry_delay
from mail.metrics import MailMetrics
from mail.transports.base import Outcome, Result, Transport

LEASE = timedelta(seconds=30)
RENEWAL_SECONDS = 5.0
POLL_SECONDS = 0.3
SWEEP_SECONDS = 5.0
RECORD_ATTEMPTS = 10

log = structlog.get_logger(__name__)


def wall_clock() -> datetime:
    """The time that mail goes by (UTC), whatever time a process has skipped to."""
    return datetime.now(UTC)


@dataclass
class _Counts:
    sent: int = 0
    retried: int = 0
    failed: int = 0

    def add(self, settled: Settled) -> None:
        if settled.status is MailStatus.SENT:
            self.sent += 1
        elif settled.status is MailStatus.QUEUED:
            self.retried += 1
        else:
            self.failed += 1


class Dispatcher:
    """Claims due mail, hands it to the transport, and records what came of it.

    Any number may run: claims are exclusive, and one that died is noticed when its lease ends.
    """

    def __init__(
        self,
        database: Database,
        transport: Transport,
        *,
        lease: timedelta = LEASE,
        clock: Callable[[], datetime] = wall_clock,
        metrics: MailMetrics | None = None,
    ) -> None:
        self._database = database
        self._transport = transport
        self._lease = lease
        self._clock = clock
        self._metrics = metrics or MailMetrics()
        self._paused_until: datetime | None = None
        self._swept = float("-inf")

    async def tick(self, counts: _Counts, beat: Callable[[], None]) -> bool:
        """Deal with one batch; return whether there was one. ``beat`` is called while it takes time."""
        await self._sweep()
        now = self._clock()
        if self._paused_until is not None and now < self._paused_until:
            return False
        if not await self._database.read(lambda conn: mail_delivery.has_due(conn, now)):
            return False
        size = self._transport.batch_size
        claimed = await self._database.write(
            lambda conn: mail_delivery.claim(conn, size, self._clock(), self._lease)
        )
        if not claimed:
            return False
        settled = await self._handle(claimed, beat)
        await self._record(settled)
        self._tell(claimed, settled, counts)
        return True

    async def _sweep(self) -> None:
        """Every few seconds, deal with attempts whose dispatcher died."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        kind = self._transport.hand_over
        moved = await self._database.write(
            lambda conn: mail_delivery.settle_lapsed(
                conn, self._clock(), grace=kind.grace, traceless=kind.traceless
            )
        )
        self._swept = time.monotonic()
        if moved:
            log.warning("mail_attempts_lapsed", count=moved)

    async def _handle(self, claimed: Sequence[Letter], beat: Callable[[], None]) -> list[Settled]:
        now = self._clock()
        refused = [settled for letter in claimed if (settled := _refusal(letter, now)) is not None]
        unfit = {settled.mail_id for settled in refused}
        fit = [letter for letter in claimed if letter.id not in unfit]
        if not fit:
            return refused
        async with self._held(fit, beat):
            outcomes = {outcome.mail_id: outcome for outcome in await self._transport.send(fit)}
        self._heed(outcomes.values())
        # One time for all: what came to the same is recorded by one statement.
        now = self._clock()
        return refused + [self._settled(letter, outcomes[letter.id], now) for letter in fit]

    @asynccontextmanager
    async def _held(self, claimed: Sequence[Letter], beat: Callable[[], None]) -> AsyncIterator[None]:
        """Keep the lease of ``claimed`` while the transport is at work."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEWAL_SECONDS)
                beat()
                await self._extend(claimed)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()

    async def _extend(self, claimed: Sequence[Letter]) -> None:
        until = self._clock() + self._lease
        # The lease has several renewals to spare, and losing it loses no mail.
        with suppress(DatabaseUnavailable):
            await self._database.write(lambda conn: mail_delivery.extend_lease(conn, claimed, until))

    def _heed(self, outcomes: Iterable[Outcome]) -> None:
        """Stay away from a provider until the time it named."""
        self._paused_until = max((o.retry_at for o in outcomes if o.retry_at is not None), default=None)

    def _settled(self, letter: Letter, outcome: Outcome, now: datetime) -> Settled:
        """Return what to record for an outcome: bounded attempts, with a back-off between them.

        What is postponed is bounded by time alone: a provider's limit says nothing about the mail.
        """
        kind = self._transport.hand_over
        settled = Settled(letter.id, letter.claims, MailStatus.QUEUED, error=outcome.error)
        match outcome.result:
            case Result.SENT:
                return settled._replace(
                    status=MailStatus.SENT,
                    provider_id=outcome.provider_id,
                    wipe_secret=not kind.keeps_secrets,
                )
            case Result.UNKNOWN:
                return settled._replace(status=MailStatus.UNKNOWN, not_before=now + kind.grace)
            case Result.POSTPONED if now - (letter.postponed_since or now) < LONGEST_POSTPONEMENT:
                return settled._replace(not_before=outcome.retry_at or now + retry_delay(1), postponed=True)
            case Result.RETRY if letter.attempts < MAX_ATTEMPTS:
                return settled._replace(not_before=now + retry_delay(letter.attempts))
        return _failure(letter, outcome.error)

    async def _record(self, settled: Sequence[Settled]) -> None:
        """Record, trying for a while: what is not recorded must be found out again, or is sent twice."""
        for attempt in range(1, RECORD_ATTEMPTS + 1):
            try:
                await self._database.write(lambda conn: mail_delivery.record(conn, settled, self._clock()))
                return
            except DatabaseUnavailable:
                if attempt == RECORD_ATTEMPTS:
                    raise
                await asyncio.sleep(min(0.1 * 2**attempt, 2.0))

    def _tell(self, claimed: Sequence[Letter], settled: Sequence[Settled], counts: _Counts) -> None:
        """Count results and log failures: by template and error, with the id of one mail, never a person."""
        template = {letter.id: letter.template for letter in claimed}
        alike: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
        for one in settled:
            counts.add(one)
            result = "retried" if one.status is MailStatus.QUEUED else one.status.value
            alike[template[one.mail_id], result, one.error].append(one.mail_id)
        for (name, result, error), ids in alike.items():
            self._metrics.mails.labels(template=name, result=result).inc(len(ids))
            if result != MailStatus.SENT.value:
                log.warning(
                    "mail_not_sent", template=name, result=result, error=error, count=len(ids), mail_id=ids[0]
                )


def _refusal(letter: Letter, now: datetime) -> Settled | None:
    """Return why ``letter`` must not be sent any more; None if it may."""
    if letter.barred:
        error = mail_delivery.NO_LONGER_WANTED
        return Settled(letter.id, letter.claims, MailStatus.SUPPRESSED, error=error, wipe_secret=True)
    good_for = timedelta(minutes=float(letter.data.get("minutes", 10)))
    if letter.template == MailTemplate.SIGN_IN and now > letter.created_at + good_for:
        return _failure(letter, "expired")
    return None


def _failure(letter: Letter, error: str | None) -> Settled:
    return Settled(letter.id, letter.claims, MailStatus.FAILED, error=error, wipe_secret=True)


class MailActivities:
    """The activities of mail."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    @activity.defn(name="mail.deliver")
    async def deliver(self, order: DeliverOrder) -> DeliverReport:
        """Deliver what is due for ``order.seconds``, then return; earlier if the worker shuts down.

        Raises ``DatabaseUnavailable``; a mail that cannot be sent is never a reason to raise.
        """
        counts = _Counts()
        ends = time.monotonic() + order.seconds
        while time.monotonic() < ends and not activity.is_worker_shutdown():
            activity.heartbeat()
            if not await self._dispatcher.tick(counts, activity.heartbeat):
                await asyncio.sleep(POLL_SECONDS)
        return DeliverReport(sent=counts.sent, retried=counts.retried, failed=counts.failed)
