"""Putting mail together from its configuration; called by entry points only."""

from mail.config import MailConfig
from mail.rendering import Renderer
from mail.sealing import Sealer
from mail.transports import OutboxTransport, SendGridTransport, SmtpTransport, Transport
from mail.unsubscribe import UnsubscribeTokens


def build_renderer(config: MailConfig) -> Renderer:
    """Return the renderer of this installation."""
    secret = config.secret_key.get_secret_value()
    return Renderer(base_url=config.public_url, sealer=Sealer(secret), tokens=UnsubscribeTokens(secret))


def build_transport(config: MailConfig) -> Transport:
    """Return the transport that the configuration names."""
    if config.mail_transport == "outbox":
        return OutboxTransport()
    renderer = build_renderer(config)
    if config.mail_transport == "smtp":
        return SmtpTransport(config, renderer)
    return SendGridTransport(config, renderer)
