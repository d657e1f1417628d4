"""SMTP: a real server on this machine takes, refuses and loses mail."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from domain.mail import MailTemplate
from engine.processes import free_port
from mail.transports import Result, SmtpTransport
from tests.support.mail import config, letter, renderer


class Inbox:
    """Keeps what arrives; answers by the address: ``full`` later, ``gone`` never, ``hang-up`` not at all."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []

    async def handle_RCPT(self, server: SMTP, _s: Session, envelope: Envelope, address: str, _o: Any) -> str:
        if address.startswith("full"):
            return "452 mailbox full"
        if address.startswith("gone"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if envelope.rcpt_tos[0].startswith("hang-up"):
            assert server.transport is not None
            server.transport.close()
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Controller]:
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


def transport(port: int, tls: ssl.SSLContext | None = None, **values: Any) -> SmtpTransport:
    given = {
        "mail_transport": "smtp",
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_starttls": tls is not None,
    }
    return SmtpTransport(config(**(given | values)), renderer(), tls=tls)


async def test_every_mail_arrives_as_it_was_rendered(server: Controller, inbox: Inbox) -> None:
    batch = [letter(template, locale=locale) for template in MailTemplate for locale in ("zh-CN", "en")]
    outcomes = await transport(server.port).send(batch)
    assert [(one.mail_id, one.result) for one in outcomes] == [(one.id, Result.SENT) for one in batch]
    expected = renderer()
    for one, got in zip(batch, inbox.mails, strict=True):
        mail = expected.render(one)
        assert got["Subject"] == mail.subject
        text, html = got.get_body(("plain",)), got.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n") == mail.text
        assert html.get_content().replace("\r\n", "\n").strip() == mail.html.strip()
        assert got["Message-ID"] == f"<{one.id}@kameng.example>"
        assert got["Auto-Submitted"] == "auto-generated"
        assert got["From"].addresses[0].display_name == "Kameng 卡盟"
        if one.list_mail:
            assert got["List-Unsubscribe"].replace(" ", "") == f"<{mail.links[1]}>"
            assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        else:
            assert "List-Unsubscribe" not in got


@pytest.mark.parametrize(
    "name",
    [
        "A\r\nBcc: victim@evil.example",
        "A\nSubject: x",
        'a" <x@evil.example>, "b',
        "长" * 500,
        "\u2028Bcc: x@y",
    ],
)
async def test_names_cannot_add_headers_or_readers(server: Controller, inbox: Inbox, name: str) -> None:
    names = dict.fromkeys(letter().names, name)
    one = letter(MailTemplate.STAFF_APPEAL, to_name=name, names=names)
    (outcome,) = await transport(server.port).send([one])
    assert outcome.result is Result.SENT
    (got,) = inbox.mails
    assert [address.addr_spec for address in got["To"].addresses] == ["reader@reader.example"]
    assert not {"Bcc", "Cc", "Reply-To"} & set(got.keys())
    assert len(got.get_all("Subject", [])) == 1


async def test_one_bad_mail_spares_the_others(server: Controller, inbox: Inbox) -> None:
    batch = [
        letter(to_email="gone@r.example"),
        letter(to_email="full@r.example"),
        letter(to_email="not an address"),
        letter(MailTemplate.BALLOT_OPENED, data={}),
        letter(to_email="fine@r.example"),
    ]
    outcomes = await transport(server.port).send(batch)
    assert [one.result for one in outcomes] == [
        Result.FAILED,
        Result.RETRY,
        Result.FAILED,
        Result.FAILED,
        Result.SENT,
    ]
    assert [one.error for one in outcomes][:2] == ["smtp: 550", "smtp: 452"]
    assert "r.example" not in "".join(str(one.error) for one in outcomes)


async def test_a_server_that_hangs_up_leaves_one_unknown_and_the_rest_for_later(
    server: Controller, inbox: Inbox
) -> None:
    batch = [letter(to_email=f"{name}@r.example") for name in ("a", "hang-up", "b", "c")]
    outcomes = await transport(server.port).send(batch)
    assert [one.result for one in outcomes] == [
        Result.SENT,
        Result.UNKNOWN,
        # Never offered: no attempt of theirs.
        Result.POSTPONED,
        Result.POSTPONED,
    ]


async def test_nobody_there_is_tried_again() -> None:
    outcomes = await transport(free_port()).send([letter(), letter()])
    assert [one.result for one in outcomes] == [Result.RETRY, Result.RETRY]


def certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, SHA256())
    )
    cert_path, key_path = directory / "cert.pem", directory / "key.pem"
    cert_path.write_bytes(built.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_path, key_path


@pytest.fixture
def guarded(inbox: Inbox, tmp_path: Path) -> Iterator[tuple[Controller, ssl.SSLContext]]:
    """A server that wants TLS first, then a login."""
    cert, key = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)

    def authenticate(_server: SMTP, _s: Session, _e: Envelope, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"user", b"right"))

    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    trusting = ssl.create_default_context(cafile=str(cert))
    yield controller, trusting
    controller.stop()


async def test_tls_and_login(guarded: tuple[Controller, ssl.SSLContext], inbox: Inbox) -> None:
    server, tls = guarded
    login = {"smtp_user": "user", "smtp_password": "right"}
    (outcome,) = await transport(server.port, tls, **login).send([letter()])
    assert outcome.result is Result.SENT
    assert inbox.encrypted == [True]


async def test_a_wrong_password_or_an_unknown_certificate_sends_nothing(
    guarded: tuple[Controller, ssl.SSLContext], inbox: Inbox
) -> None:
    server, tls = guarded
    login = {"smtp_user": "user", "smtp_password": "wrong", "mail_timeout_seconds": 1.0}
    (wrong,) = await transport(server.port, tls, **login).send([letter()])
    (unknown,) = await transport(server.port, ssl.create_default_context()).send([letter()])
    assert wrong.result is Result.RETRY
    assert (unknown.result, unknown.error) == (Result.RETRY, "smtp: SSLCertVerificationError")
    assert not inbox.mails
