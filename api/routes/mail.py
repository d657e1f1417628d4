"""Mail: leaving the list without signing in, and what the provider reports."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, SettingsDep
from api.idempotency import exempt
from api.languages import preferred_locale
from api.paths import PREFIX
from api.problems import Problem
from api.security import allow
from db.database import Database
from db.repositories import invitation_mails, mail_events
from mail.unsubscribe import UnsubscribeTokens
from mail.unsubscribe_page import PAGE_POLICY, UnsubscribeState, unsubscribe_page
from mail.webhook import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Forged,
    Unreadable,
    WebhookVerifier,
    parse_events,
)
from settings import Settings

router = APIRouter(prefix=f"{PREFIX}/mail", tags=["mail"])
log = structlog.get_logger(__name__)

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "The link is not ours", "content": {"text/html": {}}}
}
Token = Annotated[str, Path(min_length=1, max_length=512)]


def _page(locale: str, state: UnsubscribeState, status: int = 200) -> HTMLResponse:
    return HTMLResponse(unsubscribe_page(locale, state), status, {"Content-Security-Policy": PAGE_POLICY})


def _whose(settings: Settings, token: str) -> tuple[str | None, str | None]:
    """Return the person, or the mailbox by its hash, that a link was made for."""
    tokens = UnsubscribeTokens(settings.secret_key.get_secret_value())
    return tokens.read(token), tokens.read_mailbox(token)


async def _locale(db: Database, request: Request, person_id: str | None, mailbox: str | None) -> str:
    """The language that we write in; the browser's for somebody we do not know."""
    known = None
    if person_id is not None:
        known = await db.read(lambda conn: mail_events.locale_of(conn, person_id))
    elif mailbox is not None:
        known = await db.read(lambda conn: invitation_mails.language_of_mailbox(conn, mailbox))
    return known or preferred_locale(request.headers.get("accept-language", ""))


@router.get(
    "/unsubscribe/{token}",
    response_class=HTMLResponse,
    dependencies=[allow.anyone],
    responses=_UNKNOWN,
)
async def ask(token: Token, request: Request, settings: SettingsDep, db: DatabaseDep) -> HTMLResponse:
    """Show a page that asks; opening it changes nothing, because mail scanners open links."""
    person_id, mailbox = _whose(settings, token)
    locale = await _locale(db, request, person_id, mailbox)
    if person_id is None and mailbox is None:
        return _page(locale, UnsubscribeState.INVALID, 404)
    asks = UnsubscribeState.ASK if person_id is not None else UnsubscribeState.ASK_INVITED
    return _page(locale, asks)


@router.post(
    "/unsubscribe/{token}",
    response_class=HTMLResponse,
    dependencies=[allow.anyone],
    responses=_UNKNOWN,
    openapi_extra=exempt("list mail stays off"),
)
async def leave(token: Token, request: Request, settings: SettingsDep, db: DatabaseDep) -> HTMLResponse:
    """Switch list mail off, by the page's button or by a mail program's one click (RFC 8058).

    Only list mail: what concerns the person alone goes on. The link in an invitation says that the
    mailbox is never to be invited again, whether it has an account or not. Done twice, it is done.
    """
    person_id, mailbox = _whose(settings, token)
    locale = await _locale(db, request, person_id, mailbox)
    if mailbox is not None:
        now = datetime.now(UTC)
        await db.write(lambda conn: invitation_mails.refuse(conn, mailbox, now))
        return _page(locale, UnsubscribeState.DONE_INVITED)
    if person_id is None:
        return _page(locale, UnsubscribeState.INVALID, 404)
    await db.write(lambda conn: mail_events.unsubscribe(conn, person_id))
    return _page(locale, UnsubscribeState.DONE)


@lru_cache(maxsize=4)
def _verifier(public_key: str) -> WebhookVerifier:
    return WebhookVerifier(public_key)


@router.post(
    "/sendgrid/events",
    status_code=204,
    dependencies=[allow.anyone],
    openapi_extra=exempt("each event counts once"),
)
async def sendgrid_events(request: Request, settings: SettingsDep, db: DatabaseDep) -> Response:
    """Take SendGrid's signed events. Each counts once, in whatever order and however often they come."""
    if not settings.sendgrid_webhook_public_key:
        # Without the key nothing can be told from a forgery.
        raise Problem("not_found")
    body, now = await request.body(), datetime.now(UTC)
    signature, timestamp = request.headers.get(SIGNATURE_HEADER), request.headers.get(TIMESTAMP_HEADER)
    try:
        _verifier(settings.sendgrid_webhook_public_key).verify(body, signature, timestamp, now)
        events = parse_events(body)
    except Forged as error:
        log.warning("mail_events_refused", reason=str(error))
        raise Problem("forbidden") from None
    except Unreadable:
        raise Problem("unreadable_body") from None

    def record(conn: Connection) -> int:
        return mail_events.record_events(conn, events, now)

    await db.write(record)
    return Response(status_code=204)
