"""SendGrid's event webhook: who really sent it, and what it says in our words."""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import ValidationError

from contracts.mail import ReportedEvent
from domain.mail import ProviderEvent

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"

_WORDS = {
    "processed": ProviderEvent.ACCEPTED,
    "deferred": ProviderEvent.DEFERRED,
    "delivered": ProviderEvent.DELIVERED,
    "bounce": ProviderEvent.BOUNCED,
    "dropped": ProviderEvent.DROPPED,
    "spamreport": ProviderEvent.SPAM_REPORT,
    "unsubscribe": ProviderEvent.UNSUBSCRIBED,
    "group_unsubscribe": ProviderEvent.UNSUBSCRIBED,
}


class Forged(Exception):
    """The call is not signed by the provider, or is too old to be believed."""


class Unreadable(Exception):
    """The call is signed but is not a list of events."""


class WebhookVerifier:
    """Checks the ECDSA signature over timestamp and raw body, and the timestamp's age.

    ``public_key`` is base64 of the DER key, as SendGrid's settings page shows it; raises
    ``ValueError`` for anything else.
    """

    def __init__(self, public_key: str, *, max_age: timedelta = timedelta(hours=1)) -> None:
        key = load_der_public_key(base64.b64decode(public_key))
        if not isinstance(key, EllipticCurvePublicKey):
            raise ValueError("the webhook's public key is not an elliptic curve key")
        self._key = key
        self._max_age = max_age

    def verify(self, body: bytes, signature: str | None, timestamp: str | None, now: datetime) -> None:
        """Return if the call is genuine and recent at ``now`` (UTC); raise ``Forged`` otherwise."""
        if not signature or not timestamp:
            raise Forged("not signed")
        try:
            self._key.verify(
                base64.b64decode(signature, validate=True), timestamp.encode() + body, ECDSA(SHA256())
            )
            sent_at = datetime.fromtimestamp(int(timestamp), UTC)
        except (InvalidSignature, binascii.Error, ValueError, OverflowError, OSError):
            raise Forged("wrong signature") from None
        if abs(now - sent_at) > self._max_age:
            raise Forged("too old")


def parse_events(body: bytes) -> list[ReportedEvent]:
    """Return the events of a call that concern mails of ours; raise ``Unreadable`` for another shape.

    Opens and clicks, and mails that others sent through the same account, are passed over.
    """
    try:
        items = json.loads(body)
    except ValueError:
        raise Unreadable("not JSON") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("not a list of events")
    return [event for item in items if (event := _parse(item)) is not None]


def _parse(item: dict[str, Any]) -> ReportedEvent | None:
    word = _WORDS.get(str(item.get("event")))
    if word is None or not item.get("mail_id"):
        return None
    if word is ProviderEvent.BOUNCED and item.get("type") == "blocked":
        word = ProviderEvent.BLOCKED
    try:
        return ReportedEvent(
            id=item["sg_event_id"],
            mail_id=item["mail_id"],
            event=word,
            occurred_at=datetime.fromtimestamp(int(item["timestamp"]), UTC),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError, ValidationError):
        return None
