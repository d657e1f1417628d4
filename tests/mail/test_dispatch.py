"""Dispatch: what is queued leaves, is tried again within bounds, and never holds up anything else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.client import Client

import worker
from activities.mail import Dispatcher, _Counts
from contracts.mail import DISPATCH_WORKFLOW_ID, DispatchOrder, Letter, ReportedEvent
from db.database import Database
from db.errors import DatabaseUnavailable
from db.repositories import mail_delivery, mail_events
from db.tables.mail import mails
from db.tables.people import people
from domain.mail import MAX_ATTEMPTS, MailTemplate
from engine.mail_dispatch import ensure_mail_dispatch
from mail.outbox import render_page
from mail.sealing import Sealer
from mail.transports import (
    HandOver,
    OutboxTransport,
    Outcome,
    Result,
    SmtpTransport,
    Transport,
)
from settings import Settings
from tests.support.dispatching import Clock, queued, row, run, sendgrid
from tests.support.mail import SECRET_KEY, config, renderer, set_row
from tests.support.mail_worker import mail_worker
from tests.support.sendgrid import LocalSendGrid, Reply

LEASE = timedelta(seconds=30)


async def test_what_is_queued_is_sent_and_only_once(database: Database, provider: LocalSendGrid) -> None:
    ids = await queued(database, 5)
    dispatcher = Dispatcher(database, sendgrid(provider))
    assert (await run(dispatcher)).sent == 5
    assert (await run(dispatcher)).sent == 0
    assert sorted(one.mail_id for one in provider.delivered) == ids
    assert (await row(database, ids[0]))["provider_id"] == "message-1"


async def test_a_limit_holds_everything_until_the_time_it_names(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    (mail_id,) = await queued(database)
    reset = int(clock().timestamp()) + 120
    provider.script = [Reply(429, {"X-RateLimit-Reset": str(reset)})]
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    assert (await run(dispatcher)).retried == 1
    held = await row(database, mail_id)
    assert (held["status"], held["not_before"]) == ("queued", datetime.fromtimestamp(reset, UTC))
    later = await queued(database)
    clock.skip(timedelta(seconds=60))
    assert (await run(dispatcher)).sent == 0
    clock.skip(timedelta(seconds=90))
    assert (await run(dispatcher)).sent == 2
    assert {one.mail_id for one in provider.delivered} == {mail_id, *later}


async def test_attempts_are_bounded_and_the_end_is_visible(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    (mail_id,) = await queued(database)
    provider.script = [Reply(500)] * MAX_ATTEMPTS
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    for attempt in range(1, MAX_ATTEMPTS):
        assert (await run(dispatcher)).retried == 1
        waiting = await row(database, mail_id)
        assert (waiting["status"], waiting["attempts"], waiting["error"]) == (
            "queued",
            attempt,
            "sendgrid: 500",
        )
        assert waiting["not_before"] > clock()
        clock.skip(waiting["not_before"] - clock())
    assert (await run(dispatcher)).failed == 1
    assert (await row(database, mail_id))["status"] == "failed"
    clock.skip(timedelta(days=30))
    assert await run(dispatcher) == _Counts()


async def test_a_mail_that_fails_blocks_no_other(database: Database, provider: LocalSendGrid) -> None:
    (broken,) = await queued(database, template=MailTemplate.BALLOT_OPENED, data={})
    (unknown,) = await queued(database)
    await database.write(lambda conn: set_row(conn, unknown, template="no_such_template"))
    (good,) = await queued(database)
    counts = await run(Dispatcher(database, sendgrid(provider)))
    assert (counts.sent, counts.failed) == (1, 2)
    assert (await row(database, good))["status"] == "sent"
    assert (await row(database, broken))["error"] == "render: UndefinedError"
    assert (await row(database, unknown))["error"] == "render: ValueError"


async def sign_in(database: Database) -> str:
    sealed = Sealer(SECRET_KEY).seal("tok_en-1")
    (mail_id,) = await queued(
        database, template=MailTemplate.SIGN_IN, data={"minutes": 10}, sealed_secret=sealed
    )
    return mail_id


async def test_the_secret_is_wiped_once_sent(database: Database, provider: LocalSendGrid) -> None:
    mail_id = await sign_in(database)
    assert b"tok_en-1" not in (await row(database, mail_id))["secret_sealed"]
    await run(Dispatcher(database, sendgrid(provider)))
    assert (await row(database, mail_id))["secret_sealed"] is None
    assert "/sign-in?token=tok_en-1" in provider.delivered[0].text
    (shown,) = render_page(renderer(), await database.read(mail_events.outbox))
    assert (shown.subject, shown.links) == ("sign_in", ())
    assert shown.text


async def test_the_outbox_still_shows_the_link(database: Database) -> None:
    await sign_in(database)
    await run(Dispatcher(database, OutboxTransport()))
    (shown,) = render_page(renderer(), await database.read(mail_events.outbox))
    assert (shown.status, shown.subject) == ("sent", "登录卡盟")
    assert shown.links == ("https://kameng.example/sign-in?token=tok_en-1",)


async def test_a_sign_in_link_that_no_longer_works_is_not_sent(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    mail_id = await sign_in(database)
    clock.skip(timedelta(minutes=11))
    assert (await run(Dispatcher(database, sendgrid(provider), clock=clock))).failed == 1
    expired = await row(database, mail_id)
    assert (expired["status"], expired["error"], expired["secret_sealed"]) == ("failed", "expired", None)
    assert not provider.accepted


async def test_who_left_the_list_gets_none_of_what_was_queued(
    database: Database, provider: LocalSendGrid
) -> None:
    (mail_id,) = await queued(database, list_mail=True)
    await database.write(lambda conn: conn.execute(update(people).values(list_mail=False)).rowcount)
    await run(Dispatcher(database, sendgrid(provider)))
    assert (await row(database, mail_id))["status"] == "suppressed"
    assert not provider.accepted


async def test_a_lost_answer_is_cleared_up_by_an_event_before_anything_is_sent_again(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    lost, other = await queued(database, 2)
    (listed,) = await queued(database, list_mail=True)
    provider.script = [Reply(0), Reply(0)]
    await run(Dispatcher(database, sendgrid(provider), clock=clock))
    assert {(await row(database, one))["status"] for one in (lost, other, listed)} == {"unknown"}
    event = ReportedEvent(id="e", mail_id=lost, event="delivered", occurred_at=clock())
    await database.write(lambda conn: mail_events.record_events(conn, [event], clock()))
    clock.skip(timedelta(minutes=3))
    await run(Dispatcher(database, sendgrid(provider), clock=clock))
    assert [(await row(database, one))["status"] for one in (lost, other, listed)] == [
        "delivered",
        "sent",
        "failed",
    ]
    copies = [one.mail_id for one in provider.delivered]
    assert (copies.count(lost), copies.count(other), copies.count(listed)) == (1, 2, 1)


class SlowTransport:
    """Hands nothing over before it is told to go on."""

    hand_over = HandOver()
    batch_size = 10

    def __init__(self) -> None:
        self.going = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, batch: Sequence[Letter]) -> list[Outcome]:
        await self.going.wait()
        self.sent += [letter.id for letter in batch]
        return [Outcome(letter.id, Result.SENT) for letter in batch]


async def test_a_long_hand_over_keeps_its_lease(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.mail.RENEWAL_SECONDS", 0.02)
    monkeypatch.setattr("activities.mail.SWEEP_SECONDS", 0.0)
    ids = await queued(database, 3)
    transport, beats = SlowTransport(), list[int]()
    dispatcher, other = (Dispatcher(database, transport, clock=clock) for _ in range(2))
    working = asyncio.create_task(dispatcher.tick(_Counts(), lambda: beats.append(1)))
    await eventually(all_have(database, ids, "sending"))

    async def renewed() -> bool:
        return bool((await row(database, ids[0]))["not_before"] > clock() + LEASE * 0.8)

    for _ in range(6):
        # Nobody looks before the lease is renewed, however slow the machine is.
        clock.skip(LEASE * 0.6)
        await eventually(renewed)
        assert not await other.tick(_Counts(), lambda: None)
    transport.going.set()
    await working
    assert transport.sent == ids
    assert len(beats) >= 6
    assert {(await row(database, one))["status"] for one in ids} == {"sent"}


async def test_dispatchers_side_by_side_share_the_work(database: Database, provider: LocalSendGrid) -> None:
    ids = await queued(database, 300, list_mail=True, template=MailTemplate.CERTIFIED)
    transport = sendgrid(provider)
    transport.batch_size = 20
    counts = await asyncio.gather(*(run(Dispatcher(database, transport)) for _ in range(4)))
    assert sum(one.sent for one in counts) == 300
    assert sorted(one.mail_id for one in provider.delivered) == ids


Settled = Callable[[], Awaitable[bool]]


async def eventually(check: Settled, seconds: float = 120.0) -> None:
    ends = asyncio.get_running_loop().time() + seconds
    while not await check():
        assert asyncio.get_running_loop().time() < ends, "not in time"
        await asyncio.sleep(0.1)


def all_have(database: Database, ids: Sequence[str], status: str) -> Settled:
    async def check() -> bool:
        statement = select(mails.c.status).where(mails.c.id.in_(ids)).distinct()
        return await database.read(lambda conn: list(conn.execute(statement).scalars())) == [status]

    return check


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    async with Database.connect(sqlite_url) as db:
        yield db


async def test_one_process_dispatches_for_ever(
    temporal_client: Client, task_queue: str, sqlite: Database
) -> None:
    order = DispatchOrder(rounds=1, round_seconds=0.5)
    handle = await ensure_mail_dispatch(temporal_client, task_queue, order)
    again = await ensure_mail_dispatch(temporal_client, task_queue, order)
    assert again.result_run_id == handle.result_run_id
    async with mail_worker(temporal_client, sqlite, OutboxTransport(), task_queue):
        for _ in range(2):
            ids = await queued(sqlite, 3)
            await eventually(all_have(sqlite, ids, "sent"))

        async def continued() -> bool:
            now = await temporal_client.get_workflow_handle(DISPATCH_WORKFLOW_ID).describe()
            return now.run_id != handle.result_run_id

        await eventually(continued)


async def test_a_worker_that_is_asked_to_stop_does_so_at_once(
    temporal_client: Client, task_queue: str, sqlite: Database
) -> None:
    await ensure_mail_dispatch(temporal_client, task_queue, DispatchOrder(round_seconds=600))
    worker = mail_worker(temporal_client, sqlite, OutboxTransport(), task_queue)
    running = asyncio.create_task(worker.run())
    ids = await queued(sqlite, 3)
    await eventually(all_have(sqlite, ids, "sent"))
    started = asyncio.get_running_loop().time()
    await worker.shutdown()
    await running
    assert asyncio.get_running_loop().time() - started < 60
    async with mail_worker(temporal_client, sqlite, OutboxTransport(), task_queue):
        more = await queued(sqlite, 3)
        await eventually(all_have(sqlite, more, "sent"))


async def test_a_database_that_is_away_is_waited_for(
    temporal_client: Client, task_queue: str, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(3))
    real = mail_delivery.record

    def away(*arguments: Any) -> int:
        if next(failures, None) is not None:
            raise DatabaseUnavailable("away")
        return real(*arguments)

    monkeypatch.setattr(mail_delivery, "record", away)
    ids = await queued(sqlite, 2)
    transport = SlowTransport()
    transport.going.set()
    await ensure_mail_dispatch(temporal_client, task_queue)
    async with mail_worker(temporal_client, sqlite, transport, task_queue):
        await eventually(all_have(sqlite, ids, "sent"))
    assert transport.sent == ids


async def test_the_worker_process_dispatches_mail(
    temporal_client: Client, temporal_address: str, settings: Settings, sqlite: Database, sqlite_url: str
) -> None:
    values = {"temporal_address": temporal_address, "temporal_namespace": temporal_client.namespace}
    stop = asyncio.Event()
    given = settings.model_copy(update=values | {"database_url": sqlite_url})
    running = asyncio.create_task(worker.run(given, stop))
    ids = await queued(sqlite, 3)
    await eventually(all_have(sqlite, ids, "sent"))
    stop.set()
    await asyncio.wait_for(running, 120)


def test_every_transport_keeps_the_promise(provider: LocalSendGrid) -> None:
    every: list[Transport] = [OutboxTransport(), sendgrid(provider), SmtpTransport(config(), renderer())]
    assert all(one.batch_size >= 1 for one in every)
    assert [one.hand_over.traceless for one in every] == [True, False, False]
