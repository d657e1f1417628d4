"""Told to wait: nobody's attempt, however often; bounded by time, and everything pauses meanwhile."""

from datetime import timedelta

from sqlalchemy import select

from activities.mail import Dispatcher, _Counts
from db.database import Database
from db.tables.mail import mails
from domain.mail import MAX_ATTEMPTS, MailTemplate
from tests.support.dispatching import Clock, queued, row, run, sendgrid
from tests.support.mail import set_row
from tests.support.sendgrid import LocalSendGrid, Reply

MANY = MAX_ATTEMPTS + 4


def busy(clock: Clock, seconds: int = 60) -> Reply:
    return Reply(429, {"X-RateLimit-Reset": str(int(clock().timestamp()) + seconds)})


async def several_kinds(database: Database) -> list[str]:
    """Queue mails that take three requests: two decisions, then list mail."""
    ids = await queued(database, 3, template=MailTemplate.CERTIFIED)
    ids += await queued(database, 2)
    return ids + await queued(database, 40, list_mail=True)


async def test_a_limit_that_lasts_loses_and_doubles_nothing(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    ids = await several_kinds(database)
    requests: list[int] = []
    provider.on_request = lambda: requests.append(1)
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    for time in range(1, MANY + 1):
        provider.script = [busy(clock)]
        counts = await run(dispatcher)
        assert (counts.retried, counts.failed, len(requests)) == (len(ids), 0, time)
        clock.skip(timedelta(seconds=61))
    counts = await run(dispatcher)
    assert (counts.sent, counts.failed) == (len(ids), 0)
    assert sorted(one.mail_id for one in provider.delivered) == ids
    statement = select(mails.c.status, mails.c.attempts).distinct()
    ends = await database.read(lambda conn: [tuple(found) for found in conn.execute(statement)])
    assert ends == [("sent", 1)]


async def test_a_limit_after_some_were_taken_counts_for_nobody(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    ids = await several_kinds(database)
    provider.script = [Reply(), busy(clock)]
    assert await run(Dispatcher(database, sendgrid(provider), clock=clock)) == _Counts(sent=3, retried=42)
    taken, told, never_offered = [await row(database, ids[position]) for position in (0, 3, 5)]
    assert (taken["status"], taken["attempts"]) == ("sent", 1)
    for held in (told, never_offered):
        assert (held["status"], held["attempts"], held["error"]) == ("queued", 0, "sendgrid: 429")
        assert held["not_before"] > clock()


async def test_failures_still_count_where_others_were_told_to_wait(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    failing, *_ = ids = await queued(database, template=MailTemplate.CERTIFIED)
    ids += await queued(database)
    provider.script = [Reply(500), busy(clock)]
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    await run(dispatcher)
    assert [(await row(database, one))["attempts"] for one in ids] == [1, 0]
    # What waited once gives up after its number all the same.
    await database.write(lambda conn: set_row(conn, failing, attempts=MAX_ATTEMPTS - 1))
    clock.skip(timedelta(seconds=61))
    provider.script = [Reply(500), busy(clock)]
    assert await run(dispatcher) == _Counts(retried=1, failed=1)
    assert [(await row(database, one))["status"] for one in ids] == ["failed", "queued"]


async def once(dispatcher: Dispatcher) -> _Counts:
    """Deal with one batch: where a clock is days ahead, no time that a provider names is in the future."""
    counts = _Counts()
    assert await dispatcher.tick(counts, lambda: None)
    return counts


async def test_who_was_told_to_wait_for_a_day_gives_up_visibly(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    (mail_id,) = await queued(database)
    provider.script = [Reply(429)] * 3
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    for hours in (23, 2):
        assert await once(dispatcher) == _Counts(retried=1)
        clock.skip(timedelta(hours=hours))
    assert await once(dispatcher) == _Counts(failed=1)
    end = await row(database, mail_id)
    assert (end["status"], end["error"]) == ("failed", "sendgrid: 429")
    assert end["settled_at"] is not None
    assert not provider.accepted


async def test_what_was_queued_before_a_long_silence_is_not_given_up_for_one_limit(
    database: Database, provider: LocalSendGrid, clock: Clock
) -> None:
    (mail_id,) = await queued(database)
    clock.skip(timedelta(days=3))
    provider.script = [Reply(429)]
    dispatcher = Dispatcher(database, sendgrid(provider), clock=clock)
    assert await once(dispatcher) == _Counts(retried=1)
    assert await once(dispatcher) == _Counts(sent=1)
    assert [one.mail_id for one in provider.delivered] == [mail_id]


async def test_a_pause_is_never_a_busy_loop(database: Database, provider: LocalSendGrid) -> None:
    await queued(database)
    requests: list[int] = []
    provider.on_request = lambda: requests.append(1)
    provider.script = [Reply(429, {"X-RateLimit-Reset": "0", "Retry-After": "0"})] * 50
    dispatcher = Dispatcher(database, sendgrid(provider))
    for _ in range(50):
        await dispatcher.tick(_Counts(), lambda: None)
    assert len(requests) == 1
