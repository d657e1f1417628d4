"""What comes from outside about mail: signed events, and people who leave the list."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from api.app import create_app
from db.database import Database
from db.tables.mail import mail_events
from db.tables.people import people
from mail.unsubscribe import UnsubscribeTokens
from mail.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, Unreadable, WebhookVerifier, parse_events
from settings import Settings
from tests.support.mail import add_person, queue_for, row_of, set_row

KEY = ec.generate_private_key(ec.SECP256R1())
EVENTS = "/api/v1/mail/sendgrid/events"


def public_key(key: Any = KEY) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def signed(
    body: bytes, *, at: datetime | None = None, key: ec.EllipticCurvePrivateKey = KEY
) -> dict[str, str]:
    timestamp = str(int((at or datetime.now(UTC)).timestamp()))
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: timestamp}


def report(mail_id: str, event: str = "delivered", event_id: str = "e1", **values: Any) -> dict[str, Any]:
    given = {"email": "r@r.example", "timestamp": 1_790_000_000, "event": event, "sg_event_id": event_id}
    return given | {"mail_id": mail_id, "attempt": "1"} | values


@pytest.fixture
def app_settings(settings: Settings, database_url: str) -> Settings:
    values = {"database_url": database_url, "sendgrid_webhook_public_key": public_key()}
    return settings.model_copy(update=values)


@pytest.fixture
async def http(app_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(app_settings)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client
    await app.state.parts.db.close()


@pytest.fixture
async def sent(database: Database) -> str:
    """The id of a mail that was sent."""
    person = await database.write(lambda conn: add_person(conn, "r@r.example"))
    (mail_id,) = await database.write(lambda conn: queue_for(conn, person))
    await database.write(lambda conn: set_row(conn, mail_id, status="sent"))
    return mail_id


async def status_of(database: Database, mail_id: str) -> str:
    row = await database.read(lambda conn: row_of(conn, mail_id))
    return str(row["status"])


async def tell(http: httpx2.AsyncClient, events: Any, **options: Any) -> httpx2.Response:
    body = json.dumps(events).encode()
    return await http.post(EVENTS, content=body, headers=signed(body, **options))


async def test_a_signed_call_counts_and_its_replay_does_not(
    http: httpx2.AsyncClient, database: Database, sent: str
) -> None:
    body = json.dumps([report(sent), report(sent, "open", "e2"), report("not-ours", event_id="e3")]).encode()
    headers = signed(body)
    for _ in range(2):
        assert (await http.post(EVENTS, content=body, headers=headers)).status_code == 204
    assert await status_of(database, sent) == "delivered"
    kept = await database.read(lambda conn: conn.execute(select(mail_events.c.id)).scalars().all())
    assert list(kept) == ["e1"]


async def test_events_come_in_any_order(http: httpx2.AsyncClient, database: Database, sent: str) -> None:
    for number, word in enumerate(("delivered", "deferred", "processed")):
        await tell(http, [report(sent, word, f"e{number}")])
        assert await status_of(database, sent) == "delivered"
    await tell(http, [report(sent, "bounce", "e9", type="bounce")])
    assert await status_of(database, sent) == "bounced"


@pytest.mark.parametrize(
    "forge",
    [
        lambda body: {},
        lambda body: signed(body, key=ec.generate_private_key(ec.SECP256R1())),
        lambda body: signed(body + b" "),
        lambda body: signed(body) | {TIMESTAMP_HEADER: "1790000000"},
        lambda body: signed(body) | {TIMESTAMP_HEADER: "now"},
        lambda body: signed(body) | {SIGNATURE_HEADER: "!!"},
        lambda body: signed(body) | {SIGNATURE_HEADER: ""},
        lambda body: signed(body, at=datetime.now(UTC) - timedelta(hours=2)),
        lambda body: signed(body, at=datetime.now(UTC) + timedelta(hours=2)),
    ],
    ids=["unsigned", "other-key", "other-body", "other-time", "no-time", "garbage", "empty", "old", "future"],
)
async def test_what_is_forged_or_old_changes_nothing(
    http: httpx2.AsyncClient, database: Database, sent: str, forge: Any
) -> None:
    body = json.dumps([report(sent)]).encode()
    response = await http.post(EVENTS, content=body, headers=forge(body))
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert await status_of(database, sent) == "sent"


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"nonsense", b"\xff\xfe"])
async def test_what_is_signed_but_not_events_is_refused(http: httpx2.AsyncClient, body: bytes) -> None:
    response = await http.post(EVENTS, content=body, headers=signed(body))
    assert (response.status_code, response.json()["code"]) == (400, "unreadable_body")


async def test_without_a_key_there_is_no_webhook(settings: Settings, sqlite_url: str) -> None:
    app = create_app(settings.model_copy(update={"database_url": sqlite_url}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://here") as client:
        response = await client.post(EVENTS, content=b"[]", headers=signed(b"[]"))
    assert response.status_code == 404
    await app.state.parts.db.close()


def test_a_key_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="elliptic"):
        WebhookVerifier(public_key(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(ValueError, match=r"\w"):
        WebhookVerifier("nonsense")


@pytest.mark.parametrize(
    "broken",
    [
        {"sg_event_id": None},
        {"sg_event_id": "x" * 400},
        {"timestamp": "soon"},
        {"timestamp": 10**30},
        {"mail_id": ["x"]},
        {"mail_id": ""},
        {"event": "click"},
        {"event": None},
    ],
)
def test_events_that_cannot_be_ours_are_passed_over(broken: dict[str, Any]) -> None:
    assert parse_events(json.dumps([report("m") | broken, report("m")]).encode()) == parse_events(
        json.dumps([report("m")]).encode()
    )


def test_a_block_is_not_a_bounce() -> None:
    (event,) = parse_events(json.dumps([report("m", "bounce", type="blocked")]).encode())
    assert event.event == "blocked"
    with pytest.raises(Unreadable):
        parse_events(b"\xff")


def link(settings: Settings, person_id: str) -> str:
    token = UnsubscribeTokens(settings.secret_key.get_secret_value()).make(person_id)
    return f"/api/v1/mail/unsubscribe/{token}"


async def list_mail(database: Database, person_id: str) -> bool:
    statement = select(people.c.list_mail).where(people.c.id == person_id)
    return bool(await database.read(lambda conn: conn.execute(statement).scalar_one()))


async def test_opening_the_link_asks_and_posting_leaves(
    http: httpx2.AsyncClient, database: Database, app_settings: Settings
) -> None:
    person = await database.write(lambda conn: add_person(conn, locale="en"))
    other = await database.write(add_person)
    path = link(app_settings, person)
    shown = await http.get(path)
    assert shown.status_code == 200
    assert '<html lang="en">' in shown.text
    assert '<form method="post"' in shown.text
    assert await list_mail(database, person)
    for _ in range(2):
        done = await http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert "<form" not in done.text
    assert not await list_mail(database, person)
    assert await list_mail(database, other)


@pytest.mark.parametrize("token", ["x", "a.b", "x" * 500])
async def test_a_made_up_link_does_nothing(http: httpx2.AsyncClient, token: str) -> None:
    for method in ("GET", "POST"):
        response = await http.request(
            method, f"/api/v1/mail/unsubscribe/{token}", headers={"Accept-Language": "en"}
        )
        assert response.status_code == 404
        assert "not valid" in response.text


async def test_another_site_cannot_take_people_off(
    http: httpx2.AsyncClient, database: Database, app_settings: Settings
) -> None:
    person = await database.write(add_person)
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    response = await http.post(link(app_settings, person), headers=headers)
    assert response.status_code == 403
    assert await list_mail(database, person)
