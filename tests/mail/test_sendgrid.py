"""SendGrid: its real client against a server here that checks every request."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import unescape
from typing import Any

import pytest

from domain.mail import MailTemplate
from engine.processes import free_port
from mail.transports import Result, SendGridTransport
from mail.transports.sendgrid import group
from tests.support.mail import EVERYTHING, anchors, config, letter, renderer
from tests.support.sendgrid import API_KEY, LocalSendGrid, Reply


def transport(url: str, **values: Any) -> SendGridTransport:
    given = {"mail_transport": "sendgrid", "sendgrid_host": url, "sendgrid_api_key": API_KEY}
    return SendGridTransport(config(**(given | values)), renderer())


async def test_every_template_makes_a_request_that_is_taken(provider: LocalSendGrid) -> None:
    batch = [letter(template, locale=locale) for template in MailTemplate for locale in ("zh-CN", "en")]
    outcomes = await transport(provider.url).send(batch)
    assert [outcome.mail_id for outcome in outcomes] == [one.id for one in batch]
    assert {outcome.result for outcome in outcomes} == {Result.SENT}
    assert {outcome.provider_id for outcome in outcomes} == {"message-1"}
    assert not provider.refused
    expected = renderer()
    by_id = {one.mail_id: one for one in provider.delivered}
    for one in batch:
        mail = expected.render(one)
        got = by_id[one.id]
        assert (got.subject, got.text, got.html) == (mail.subject, mail.text, mail.html)


async def test_readers_share_a_request_and_see_only_themselves(provider: LocalSendGrid) -> None:
    names = ["Ann & <b>Bob</b>", "{{ x }}", "kmg0123456789abcdefhname", '"; --', "A\r\nBcc: x@y.example"]
    batch = [
        letter(MailTemplate.BALLOT_OPENED, to_name=name, to_email=f"r{i}@r.example")
        for i, name in enumerate(names)
    ]
    await transport(provider.url).send(batch)
    assert len(provider.accepted) == 1
    expected = renderer()
    for one, got in zip(batch, provider.delivered, strict=True):
        mail = expected.render(one)
        assert (got.email, got.mail_id, got.attempt) == (one.to_email, one.id, "1")
        assert got.text == mail.text
        # Quotes may be written in two ways.
        assert unescape(got.html) == unescape(mail.html)
        assert "<b>Bob" not in got.html
        assert anchors(got.html) == list(mail.links)
        assert got.headers == {
            "List-Unsubscribe": f"<{mail.links[1]}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }


async def test_tracking_is_off_because_links_hold_secrets(provider: LocalSendGrid) -> None:
    await transport(provider.url).send([letter(MailTemplate.SIGN_IN)])
    (body,) = provider.accepted
    assert body["tracking_settings"]["click_tracking"] == {"enable": False, "enable_text": False}
    assert body["tracking_settings"]["open_tracking"] == {"enable": False}
    assert "mail_settings" not in body
    assert "headers" not in body["personalizations"][0]


async def test_the_sandbox_is_asked_for(provider: LocalSendGrid) -> None:
    await transport(provider.url, sendgrid_sandbox=True).send([letter()])
    assert provider.accepted[0]["mail_settings"] == {"sandbox_mode": {"enable": True}}


def test_only_what_is_alike_goes_together() -> None:
    base = letter(MailTemplate.BALLOT_OPENED)
    different = [
        letter(MailTemplate.BALLOT_OPENED),
        letter(MailTemplate.BALLOT_OPENED, locale="en"),
        letter(MailTemplate.BALLOT_OPENED, time_zone="Europe/Rome"),
        letter(MailTemplate.BALLOT_OPENED, data=EVERYTHING | {"closes_at": "2027-01-01T00:00:00+00:00"}),
        letter(MailTemplate.BALLOT_REMINDER),
        letter(MailTemplate.BALLOT_OPENED, note="x"),
    ]
    groups = group([base, *different])
    assert [len(letters) for letters in groups] == [2, 1, 1, 1, 1, 1]
    assert len(group([letter(MailTemplate.SIGN_IN), letter(MailTemplate.SIGN_IN)])) == 2
    assert [len(letters) for letters in group([base] * 2500)] == [1000, 1000, 500]


async def test_one_refused_address_spares_the_others(provider: LocalSendGrid) -> None:
    batch = [letter(MailTemplate.BALLOT_OPENED, to_email=f"r{i}@r.example") for i in range(20)]
    batch[13] = letter(MailTemplate.BALLOT_OPENED, to_email="bad@r.example")
    outcomes = {outcome.mail_id: outcome for outcome in await transport(provider.url).send(batch)}
    assert outcomes[batch[13].id].result is Result.FAILED
    assert sum(outcome.result is Result.SENT for outcome in outcomes.values()) == 19
    assert sorted(one.email for one in provider.delivered) == sorted(
        one.to_email for one in batch if one.to_email != "bad@r.example"
    )


async def test_too_many_requests_waits_until_the_time_it_names(provider: LocalSendGrid) -> None:
    reset = int((datetime.now(UTC) + timedelta(seconds=90)).timestamp())
    provider.script = [Reply(429, {"X-RateLimit-Reset": str(reset)})]
    batch = [letter(), letter(locale="en"), letter(MailTemplate.CERTIFIED)]
    outcomes = await transport(provider.url).send(batch)
    assert {outcome.result for outcome in outcomes} == {Result.POSTPONED}
    assert {outcome.retry_at for outcome in outcomes} == {datetime.fromtimestamp(reset, UTC)}
    assert len(outcomes) == 3
    assert not provider.accepted


async def test_a_limit_met_while_looking_for_a_bad_address_stops_the_search(provider: LocalSendGrid) -> None:
    batch = [letter(MailTemplate.CERTIFIED), letter(to_email="bad@r.example"), letter(), letter(), letter()]
    # All four: 400. The first two: 400. The bad one, alone: 400. Its neighbour: told to wait.
    provider.script = [Reply()] * 4 + [Reply(429, {"Retry-After": "60"})]
    results = [outcome.result for outcome in await transport(provider.url).send(batch)]
    assert results == [Result.SENT, Result.FAILED, *[Result.POSTPONED] * 3]
    assert len(provider.accepted) == 1
    assert not provider.script


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


RESET, AFTER = "X-RateLimit-Reset", "Retry-After"


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 50, 70),
        ({RESET: "0"}, 0, 5),
        ({RESET: "nonsense"}, 50, 70),
        ({RESET: "99999999999"}, 3500, 3700),
        ({RESET: "9" * 400}, 50, 70),
        ({AFTER: "3"}, 2, 3),
        ({AFTER: "0"}, 0, 1),
        ({AFTER: "-5"}, 0, 1),
        ({AFTER: "9" * 20}, 3500, 3700),
        # Made when the test runs: it may be collected minutes before.
        ({AFTER: lambda: http_date(300)}, 200, 300),
        ({AFTER: lambda: http_date(3900).replace("GMT", "+0100")}, 200, 300),
        ({AFTER: lambda: http_date(-300)}, 0, 1),
        ({AFTER: "Fri, 31 Dec 2100 23:59:59 GMT"}, 3500, 3700),
        ({AFTER: "Fri, 31 Dec 2100 23:59:59 -0000"}, 3500, 3700),
        ({AFTER: "Fri, 99 Foo 2100"}, 50, 70),
        # The later one holds: it was told by someone.
        ({RESET: "0", AFTER: "30"}, 25, 30),
    ],
)
async def test_how_long_it_is_told_to_wait_within_reason(
    provider: LocalSendGrid, headers: dict[str, str | Callable[[], str]], least: int, most: int
) -> None:
    told = {name: value() if callable(value) else value for name, value in headers.items()}
    provider.script = [Reply(429, told)]
    (outcome,) = await transport(provider.url).send([letter()])
    assert outcome.result is Result.POSTPONED
    assert outcome.retry_at is not None
    assert least <= (outcome.retry_at - datetime.now(UTC)).total_seconds() <= most


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (500, Result.RETRY),
        (503, Result.RETRY),
        (401, Result.FAILED),
        (403, Result.FAILED),
        (404, Result.FAILED),
    ],
)
async def test_what_an_answer_means(provider: LocalSendGrid, status: int, result: Result) -> None:
    provider.script = [Reply(status)]
    (outcome,) = await transport(provider.url).send([letter()])
    assert (outcome.result, outcome.error) == (result, f"sendgrid: {status}")
    assert outcome.retry_at is None


@pytest.mark.parametrize("reply", [Reply(0), Reply(202, seconds=1.5)])
async def test_no_answer_is_unknown(provider: LocalSendGrid, reply: Reply) -> None:
    provider.script = [reply]
    (outcome,) = await transport(provider.url, mail_timeout_seconds=0.5).send([letter()])
    assert outcome.result is Result.UNKNOWN


async def test_a_connection_that_was_never_made_is_tried_again() -> None:
    (outcome,) = await transport(f"http://127.0.0.1:{free_port()}").send([letter()])
    assert (outcome.result, outcome.error) == (Result.RETRY, "sendgrid: ConnectionRefusedError")


async def test_a_mail_that_cannot_be_rendered_fails_alone(provider: LocalSendGrid) -> None:
    broken = letter(MailTemplate.BALLOT_OPENED, data={})
    good = letter(MailTemplate.CERTIFIED)
    outcomes = {outcome.mail_id: outcome for outcome in await transport(provider.url).send([broken, good])}
    assert outcomes[broken.id].result is Result.FAILED
    assert outcomes[good.id].result is Result.SENT
