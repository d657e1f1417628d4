"""SMTP: one connection a batch, in a thread, with a time-out on everything."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate

from contracts.mail import Letter
from mail.cleaning import one_line
from mail.config import MailConfig
from mail.rendering import Rendered, Renderer
from mail.transports.base import HandOver, Outcome, Result, render_or_fail


class SmtpTransport:
    """Hands mails to a mail server one by one; a server tells nothing afterwards."""

    hand_over = HandOver(grace=timedelta(seconds=1))
    # Small: a crash leaves at most this many mails of which nobody knows whether they left.
    batch_size = 20

    def __init__(self, config: MailConfig, renderer: Renderer, *, tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._renderer = renderer
        self._tls = tls or ssl.create_default_context()

    async def send(self, batch: Sequence[Letter]) -> list[Outcome]:
        """Send ``batch`` over one connection; see ``Transport.send``."""
        return await asyncio.to_thread(self._send, batch)

    def _send(self, batch: Sequence[Letter]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            with self._connection() as server:
                for letter in batch:
                    outcomes.append(self._send_one(server, letter))
        except smtplib.SMTPAuthenticationError as error:
            outcomes += _rest(batch, outcomes, f"smtp: login {error.smtp_code}")
        except smtplib.SMTPResponseException as error:
            outcomes += _rest(batch, outcomes, f"smtp: {error.smtp_code}")
        except (OSError, smtplib.SMTPException) as error:
            # Those not begun have certainly not left.
            outcomes += _rest(batch, outcomes, f"smtp: {type(error).__name__}")
        return outcomes

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        config = self._config
        with smtplib.SMTP(config.smtp_host, config.smtp_port, timeout=config.mail_timeout_seconds) as server:
            if config.smtp_starttls:
                server.starttls(context=self._tls)
            if config.smtp_user:
                server.login(config.smtp_user, config.smtp_password.get_secret_value())
            yield server

    def _send_one(self, server: smtplib.SMTP, letter: Letter) -> Outcome:
        rendered = render_or_fail(self._renderer, letter)
        if isinstance(rendered, Outcome):
            return rendered
        try:
            message = compose(self._config, letter, rendered)
        except (ValueError, MessageError, IndexError) as error:
            return Outcome(letter.id, Result.FAILED, f"address: {type(error).__name__}")
        if server.sock is None:
            return Outcome(letter.id, Result.POSTPONED, "smtp: connection lost before")
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            return _answered(letter, next(iter(refused.recipients.values()))[0])
        except smtplib.SMTPResponseException as error:
            return _answered(letter, error.smtp_code)
        except smtplib.SMTPNotSupportedError:
            return Outcome(letter.id, Result.FAILED, "smtp: address needs SMTPUTF8")
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            # The server may have taken the mail before it fell silent.
            return Outcome(letter.id, Result.UNKNOWN, f"smtp: {type(error).__name__}")
        return Outcome(letter.id, Result.SENT)


def _answered(letter: Letter, code: int) -> Outcome:
    """5xx is final; 4xx asks to come again."""
    return Outcome(letter.id, Result.FAILED if code >= 500 else Result.RETRY, f"smtp: {code}")


def _rest(batch: Sequence[Letter], done: Sequence[Outcome], error: str) -> list[Outcome]:
    return [Outcome(letter.id, Result.RETRY, error) for letter in batch[len(done) :]]


def compose(config: MailConfig, letter: Letter, rendered: Rendered) -> EmailMessage:
    """Return ``rendered`` as a message: text first, HTML as its alternative.

    Its Message-ID comes from the mail's id, the same on every attempt, so that a second copy can be
    told as one. Raises ``ValueError`` for an address that no header can carry.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(one_line(config.mail_from_name), addr_spec=config.mail_from)
    message["To"] = Address(one_line(letter.to_name, 120), addr_spec=letter.to_email)
    message["Subject"] = rendered.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{letter.id}@{config.mail_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    for name, value in list_headers(rendered.links, letter.list_mail).items():
        message[name] = value
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message


def list_headers(links: Sequence[str], list_mail: bool) -> dict[str, str]:
    """Return the headers with which mail programs offer to leave the list by one click (RFC 8058)."""
    if not list_mail or len(links) < 2:
        return {}
    return {"List-Unsubscribe": f"<{links[-1]}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
