"""Transports: the ways in which mail leaves, behind one interface."""

from mail.transports.base import HandOver, Outcome, Result, Transport
from mail.transports.outbox import OutboxTransport
from mail.transports.sendgrid import SendGridTransport
from mail.transports.smtp import SmtpTransport

__all__ = [
    "HandOver",
    "OutboxTransport",
    "Outcome",
    "Result",
    "SendGridTransport",
    "SmtpTransport",
    "Transport",
]
