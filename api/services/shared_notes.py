"""Shared notes as strangers meet them: found by their codes, visited, passed on."""

from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection
from starlette.requests import Request

from api.parts import Parts
from api.problems import Problem
from api.security import limits
from api.security.credentials import credentials_of
from api.security.gate import Actor
from api.services import featured, share_links
from api.services.share_links import Visitor
from db.errors import DatabaseError
from db.repositories import share_visits
from domain.campaigns.sharing import ShareChannel, is_visit, referrer_host

MOST_TRIES = 60
MOST_SHARES = 30

log: Any = structlog.get_logger("kameng.shares")


async def found_note(request: Request, parts: Parts, code: str) -> Any:
    """Return the note at an address. Raises ``Problem``: never there, or taken down.

    Addresses that never were are counted, so that nobody tries many.
    """
    note = await parts.db.read(lambda conn: featured.shown(conn, code))
    if note is None:
        await limits.count(parts.db, "share_code", share_links.client_of(request), MOST_TRIES)
        raise Problem("not_found")
    return note


async def count_visit(
    request: Request, parts: Parts, note: Any, actor: Actor | None, visitor: Visitor
) -> bool:
    """Count a visit if it is one; tell whether the browser is to remember it.

    What cannot be counted is shown all the same.
    """
    if not is_visit(request.method, request.headers):
        return False
    if actor is not None and actor.person_id in {note.author_id, note.leader_id}:
        return False
    own = urlsplit(parts.settings.public_url).hostname or ""
    host, now = referrer_host(request.headers.get("referer", ""), own), featured.process_time(note)
    limit = share_links.limit_of(request)

    def write(conn: Connection) -> bool:
        if visitor.known:
            return share_visits.visit(conn, note.id, visitor.key, host, now)
        return share_visits.visit_of_unknown(conn, note.id, visitor.key, host, now, limit)

    try:
        await parts.db.write(write)
    except DatabaseError as error:
        log.warning("a visit is not counted", exc_info=error)
    return True


async def passed_on(request: Request, parts: Parts, code: str, channel: ShareChannel) -> Any:
    """Record that whoever asks passes a note on, once a channel. Raises ``Problem``."""
    note = await found_note(request, parts, code)
    await limits.count(parts.db, "note_share", share_links.client_of(request), MOST_SHARES)
    visitor, credentials = share_links.visitor_of(request), credentials_of(request, parts.cookies)

    def write(conn: Connection) -> bool:
        actor = parts.gate.visitor(conn, credentials)
        person_id = actor.person_id if actor else None
        sharer = visitor.key if person_id is None else share_links.hashed(request, "person", person_id)
        return share_visits.share(conn, note, sharer, person_id, channel, featured.process_time(note))

    await parts.db.write(write)
    return note
