"""SendGrid: mails that share everything but their readers go out in one request of up to 1,000.

Its API has no idempotency key, so an attempt whose answer was lost stays unknown until the event
webhook tells, or a grace has passed. Every mail carries its id and attempt as custom arguments.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from html import escape
from itertools import islice
from typing import Any
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from contracts.mail import Letter
from mail.cleaning import one_line
from mail.config import MailConfig
from mail.rendering import Reader, Rendered, Renderer
from mail.transports.base import HandOver, Outcome, Result
from mail.transports.smtp import list_headers

MAX_PERSONALIZATIONS = 1000
# Events come within seconds; a sign-in link that is not known to have left must be sent again while good.
GRACE = timedelta(minutes=2)
_SPLITTABLE = frozenset({"sendgrid: 400", "sendgrid: 413"})
# Whatever a provider names: never a busy loop, and never out of touch for long.
_SHORTEST_WAIT, _USUAL_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class SendGridTransport:
    """Sends through SendGrid's v3 API with its own client."""

    batch_size = MAX_PERSONALIZATIONS

    def __init__(self, config: MailConfig, renderer: Renderer, *, grace: timedelta = GRACE) -> None:
        self.hand_over = HandOver(grace=grace)
        self._config = config
        self._renderer = renderer
        self._api = SendGridAPIClient(
            config.sendgrid_api_key.get_secret_value(), host=config.sendgrid_host
        ).client
        # The client sets none: a provider that never answers would hold the queue for ever.
        self._api.timeout = config.mail_timeout_seconds

    async def send(self, batch: Sequence[Letter]) -> list[Outcome]:
        """Send ``batch`` in as few requests as its differences allow; see ``Transport.send``."""
        outcomes: list[Outcome] = []
        pending = deque(group(batch))
        while pending:
            letters = pending.popleft()
            answer = await asyncio.to_thread(self._send_alike, letters)
            if answer.error in _SPLITTABLE and len(letters) > 1:
                # One address that SendGrid dislikes refuses the whole request: find it, spare the others.
                middle = len(letters) // 2
                pending.extendleft((letters[middle:], letters[:middle]))
                continue
            outcomes += [_same(answer, letter) for letter in letters]
            if answer.result is Result.POSTPONED:
                # The other groups would only be told the same.
                outcomes += [_same(answer, letter) for rest in pending for letter in rest]
                break
        return outcomes

    def _send_alike(self, letters: Sequence[Letter]) -> Outcome:
        """Post one request; the outcome (without a mail's id) holds for every mail in it."""
        try:
            body = self.request_body(letters)
        except Exception as error:
            return Outcome("", Result.FAILED, f"render: {type(error).__name__}")
        try:
            response = self._api.mail.send.post(request_body=body)
        except HTTPError as error:
            return _refused(error)
        except URLError as error:
            # Raised while connecting or sending: the request never arrived whole.
            return Outcome("", Result.RETRY, f"sendgrid: {type(error.reason).__name__}")
        except Exception as error:
            # No answer, or a broken one, to a request that was made: it may well have been carried out.
            return Outcome("", Result.UNKNOWN, f"sendgrid: {type(error).__name__}")
        return Outcome("", Result.SENT, provider_id=response.headers.get("X-Message-Id"))

    def request_body(self, letters: Sequence[Letter]) -> dict[str, Any]:
        """Return the v3 request for ``letters``, which are alike but for their readers.

        What differs is rendered as tags and put in by SendGrid, which escapes nothing: the name has a
        tag for HTML and another for text. Tags are random, so that no typed text can name one.
        """
        tag = f"kmg{secrets.token_hex(8)}"
        html, text = (
            self._renderer.render(letters[0], self._tagged(letters[0], f"{tag}{part}")) for part in ("h", "t")
        )
        config = self._config
        body: dict[str, Any] = {
            "from": {"email": config.mail_from, "name": one_line(config.mail_from_name)},
            "subject": text.subject,
            "personalizations": [self._personalization(letter, tag, text) for letter in letters],
            "content": [
                {"type": "text/plain", "value": text.text},
                {"type": "text/html", "value": html.html},
            ],
            "categories": [letters[0].template],
            # Links hold secrets and must arrive as they are.
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": False},
                "subscription_tracking": {"enable": False},
            },
        }
        if config.sendgrid_sandbox:
            body["mail_settings"] = {"sandbox_mode": {"enable": True}}
        return body

    def _tagged(self, letter: Letter, tag: str) -> Reader:
        leave = f"{tag}leave" if self._renderer.reader_of(letter).unsubscribe_url else None
        return Reader(name=f"{tag}name", unsubscribe_url=leave)

    def _personalization(self, letter: Letter, tag: str, rendered: Rendered) -> dict[str, Any]:
        reader = self._renderer.reader_of(letter)
        values = {f"{tag}hname": escape(reader.name), f"{tag}tname": reader.name}
        if reader.unsubscribe_url:
            values |= {f"{tag}{part}leave": reader.unsubscribe_url for part in ("h", "t")}
        personalization: dict[str, Any] = {
            "to": [{"email": letter.to_email, "name": reader.name}],
            "substitutions": values,
            "custom_args": {"mail_id": letter.id, "attempt": str(letter.attempts)},
        }
        links = (rendered.links[0], reader.unsubscribe_url or "")
        if headers := list_headers(links, letter.list_mail and reader.unsubscribe_url is not None):
            personalization["headers"] = headers
        return personalization


def group(batch: Sequence[Letter]) -> list[list[Letter]]:
    """Split ``batch`` into lists that differ in their readers only, each fit for one request.

    A mail with a secret goes alone: its link is nobody else's. Times are written in the reader's
    zone, so that is part of being alike.
    """
    alike: dict[tuple[Any, ...], list[Letter]] = {}
    for letter in batch:
        data = json.dumps(letter.data, sort_keys=True)
        alone = letter.id if letter.secret_sealed else None
        key = (letter.template, letter.locale, letter.time_zone, letter.list_mail, data, letter.note, alone)
        alike.setdefault(key, []).append(letter)
    groups = []
    for letters in alike.values():
        rest = iter(letters)
        while chunk := list(islice(rest, MAX_PERSONALIZATIONS)):
            groups.append(chunk)
    return groups


def _same(outcome: Outcome, letter: Letter) -> Outcome:
    return Outcome(letter.id, outcome.result, outcome.error, outcome.retry_at, outcome.provider_id)


def _refused(error: HTTPError) -> Outcome:
    code = f"sendgrid: {error.status_code}"
    if error.status_code == 429:
        return Outcome("", Result.POSTPONED, code, retry_at=_retry_at(error.headers, datetime.now(UTC)))
    return Outcome("", Result.RETRY if error.status_code >= 500 else Result.FAILED, code)


def _retry_at(headers: Message, now: datetime) -> datetime:
    """Return the latest time (UTC) that ``headers`` name, within reason."""
    named = [told for told in (_limit_reset(headers), _retry_after(headers, now)) if told is not None]
    told = max(named, default=now + _USUAL_WAIT)
    return min(max(told, now + _SHORTEST_WAIT), now + _LONGEST_WAIT)


def _limit_reset(headers: Message) -> datetime | None:
    """SendGrid's own header: seconds since 1970."""
    try:
        return datetime.fromtimestamp(int(headers.get("X-RateLimit-Reset", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _retry_after(headers: Message, now: datetime) -> datetime | None:
    """HTTP's header (RFC 9110, 10.2.3): seconds from now, or a date."""
    told = headers.get("Retry-After", "")
    try:
        return now + timedelta(seconds=int(told))
    except OverflowError:
        return now + _LONGEST_WAIT
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(told)
    except (ValueError, OverflowError):
        return None
    # One without a zone is in UTC.
    return date if date.tzinfo else date.replace(tzinfo=UTC)
