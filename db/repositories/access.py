"""Sessions, tokens and sign-in links. Secrets come here hashed and are compared by their hash."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from db.repositories import queue_search
from db.statements import AsOne, among, one_of
from db.tables.access import api_tokens, magic_links, second_factors, sessions
from db.tables.people import people, role_grants
from domain.people import PersonStatus, Role


class Identity(NamedTuple):
    """The person behind a session or a token, with everything an access rule asks for."""

    person_id: str
    email: str
    display_name: str
    locale: str
    time_zone: str
    list_mail: bool
    status: PersonStatus
    roles: frozenset[Role]
    second_factor_confirmed: bool
    second_factor_at: datetime | None
    created_at: datetime
    last_seen_at: datetime | None
    expires_at: datetime | None
    csrf_token: str | None
    token_id: str | None
    scopes: frozenset[str]


_PERSON = (
    people.c.id,
    people.c.email,
    people.c.display_name,
    people.c.locale,
    people.c.time_zone,
    people.c.list_mail,
    people.c.status,
    role_grants.c.role,
    second_factors.c.confirmed_at,
)


def _behind(credential: Any, shown: ColumnElement[bool], *columns: Any) -> Select[Any]:
    return (
        select(*_PERSON, *columns)
        .select_from(credential.join(people, people.c.id == credential.c.person_id))
        .outerjoin(role_grants, role_grants.c.person_id == people.c.id)
        .outerjoin(second_factors, second_factors.c.person_id == people.c.id)
        .where(shown)
    )


def _by_session(shown: ColumnElement[bool]) -> Select[Any]:
    return _behind(
        sessions,
        shown,
        sessions.c.token_hash,
        sessions.c.second_factor_at,
        sessions.c.created_at,
        sessions.c.last_seen_at,
        sessions.c.expires_at,
        sessions.c.csrf_token,
    )


# Built once: every request runs one of them.
_BY_SESSION = _by_session(sessions.c.token_hash == bindparam("token_hash"))
_BY_SESSIONS = AsOne(
    {
        # One parameter, and so one statement for any number of them.
        dialect: _by_session(one_of(dialect, sessions.c.token_hash, "hashes"))
        for dialect in ("sqlite", "postgresql")
    }
)
_BY_TOKEN = _behind(
    api_tokens,
    api_tokens.c.token_hash == bindparam("token_hash"),
    api_tokens.c.second_factor_at,
    api_tokens.c.created_at,
    api_tokens.c.last_used_at,
    api_tokens.c.expires_at,
    api_tokens.c.id.label("token_id"),
    api_tokens.c.scopes,
).where(api_tokens.c.revoked_at.is_(None))


def by_session(conn: Connection, token_hash: str) -> Identity | None:
    """Return who holds this session, in one statement; limits of age and status are the caller's to judge."""
    rows = conn.execute(_BY_SESSION, {"token_hash": token_hash}).all()
    if not rows:
        return None
    first = rows[0]
    return _identity(rows, first.last_seen_at, first.csrf_token, None, ())


def by_sessions(conn: Connection, token_hashes: Iterable[str]) -> dict[str, Identity]:
    """Return who holds each of these sessions, by its hash, in one statement; unknown ones are left out."""
    hashes = list(dict.fromkeys(token_hashes))
    if not hashes:
        return {}
    found: dict[str, list[Any]] = {}
    for row in _BY_SESSIONS.all(conn, {"hashes": among(conn.dialect.name, hashes)}):
        found.setdefault(row.token_hash, []).append(row)
    return {
        token_hash: _identity(rows, rows[0].last_seen_at, rows[0].csrf_token, None, ())
        for token_hash, rows in found.items()
    }


def by_token(conn: Connection, token_hash: str) -> Identity | None:
    """Return who holds this API token unless it was revoked, in one statement."""
    rows = conn.execute(_BY_TOKEN, {"token_hash": token_hash}).all()
    if not rows:
        return None
    first = rows[0]
    return _identity(rows, first.last_used_at, None, first.token_id, first.scopes)


def _identity(
    rows: Sequence[Any],
    seen_at: datetime | None,
    csrf_token: str | None,
    token_id: str | None,
    scopes: Iterable[str],
) -> Identity:
    row = rows[0]
    return Identity(
        person_id=row.id,
        email=row.email,
        display_name=row.display_name,
        locale=row.locale,
        time_zone=row.time_zone,
        list_mail=bool(row.list_mail),
        status=PersonStatus(row.status),
        roles=_roles(tuple(found.role for found in rows)),
        second_factor_confirmed=row.confirmed_at is not None,
        second_factor_at=row.second_factor_at,
        created_at=row.created_at,
        last_seen_at=seen_at,
        expires_at=row.expires_at,
        csrf_token=csrf_token,
        token_id=token_id,
        scopes=frozenset(scopes),
    )


@lru_cache(maxsize=256)
def _roles(held: tuple[str | None, ...]) -> frozenset[Role]:
    return frozenset(Role(role) for role in held if role is not None)


def open_session(
    conn: Connection,
    *,
    token_hash: str,
    person_id: str,
    csrf_token: str,
    now: datetime,
    expires_at: datetime,
    second_factor_at: datetime | None,
) -> None:
    """Store a new session that begins ``now`` and ends at the latest at ``expires_at``."""
    conn.execute(
        insert(sessions).values(
            token_hash=token_hash,
            person_id=person_id,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            second_factor_at=second_factor_at,
            csrf_token=csrf_token,
        )
    )


def rotate_session(
    conn: Connection, old_hash: str, new_hash: str, csrf_token: str, second_factor_at: datetime
) -> bool:
    """Give a session a new secret at its second factor; False if it has ended meanwhile."""
    changed = conn.execute(
        update(sessions)
        .where(sessions.c.token_hash == old_hash)
        .values(token_hash=new_hash, csrf_token=csrf_token, second_factor_at=second_factor_at)
    )
    return changed.rowcount == 1


def end_session(conn: Connection, token_hash: str) -> None:
    """End one session."""
    conn.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def end_sessions(conn: Connection, person_id: str, *, but: str | None = None) -> int:
    """End every session of a person, ``but`` for the one with that hash; return how many."""
    ended = delete(sessions).where(sessions.c.person_id == person_id)
    return conn.execute(ended if but is None else ended.where(sessions.c.token_hash != but)).rowcount


def forget_second_factor(conn: Connection, person_id: str) -> None:
    """Make every session and token of a person count as not having passed a second factor."""
    for table in (sessions, api_tokens):
        conn.execute(update(table).where(table.c.person_id == person_id).values(second_factor_at=None))


def touch(conn: Connection, seen: Mapping[str, datetime]) -> None:
    """Note when sessions and tokens were last used: hash of the secret → instant."""
    values = [{"hash": token_hash, "at": at} for token_hash, at in seen.items()]
    if not values:
        return
    for table, column in ((sessions, "last_seen_at"), (api_tokens, "last_used_at")):
        statement = update(table).where(table.c.token_hash == bindparam("hash"))
        conn.execute(statement.values({column: bindparam("at")}), values)


# --- sign-in links


@dataclass(frozen=True, slots=True)
class Link:
    """A sign-in link that can still be used: for a person, or for a new address to confirm."""

    person_id: str | None
    email: str | None
    locale: str
    browser_hash: str | None


def store_link(
    conn: Connection,
    *,
    token_hash: str,
    person_id: str | None,
    email: str | None,
    locale: str,
    browser_hash: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a link; with neither person nor address it can never be used."""
    conn.execute(
        insert(magic_links).values(
            token_hash=token_hash,
            person_id=person_id,
            email=email,
            locale=locale,
            browser_hash=browser_hash,
            created_at=now,
            expires_at=expires_at,
        )
    )


def usable_link(conn: Connection, token_hash: str, now: datetime) -> Link | None:
    """Return the link unless it is unknown, used or over."""
    link = magic_links.c
    row = conn.execute(
        select(link.person_id, link.email, link.locale, link.browser_hash).where(
            link.token_hash == token_hash,
            link.consumed_at.is_(None),
            link.expires_at > now,
            or_(link.person_id.is_not(None), link.email.is_not(None)),
        )
    ).first()
    return None if row is None else Link(row.person_id, row.email, row.locale, row.browser_hash)


def consume_link(conn: Connection, token_hash: str, now: datetime) -> bool:
    """Use a link up; of several who try at once exactly one gets True."""
    link = magic_links.c
    used = conn.execute(
        update(magic_links)
        .where(link.token_hash == token_hash, link.consumed_at.is_(None), link.expires_at > now)
        .values(consumed_at=now)
    )
    return used.rowcount == 1


# --- API tokens


def store_token(conn: Connection, row: Mapping[str, Any]) -> None:
    """Store a new API token: the columns of ``api_tokens``."""
    conn.execute(insert(api_tokens).values(**row))


def count_tokens(conn: Connection, person_id: str) -> int:
    """Return how many tokens of a person have not been revoked."""
    held = select(func.count()).where(api_tokens.c.person_id == person_id, api_tokens.c.revoked_at.is_(None))
    return int(conn.execute(held).scalar_one())


def tokens_of(conn: Connection, person_id: str) -> list[Mapping[str, Any]]:
    """Return a person's tokens that have not been revoked, newest first, without their hashes."""
    shown = [
        column for column in api_tokens.c if column.name not in {"token_hash", "person_id", "revoked_at"}
    ]
    rows = conn.execute(
        select(*shown)
        .where(api_tokens.c.person_id == person_id, api_tokens.c.revoked_at.is_(None))
        .order_by(api_tokens.c.id.desc())
    )
    return [dict(row) for row in rows.mappings()]


def revoke_token(conn: Connection, person_id: str, token_id: str, now: datetime) -> bool:
    """Revoke a person's own token; False where there is no such token."""
    revoked = conn.execute(
        update(api_tokens)
        .where(
            api_tokens.c.id == token_id,
            api_tokens.c.person_id == person_id,
            api_tokens.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return revoked.rowcount == 1


def change_person(conn: Connection, person_id: str, values: Mapping[str, Any]) -> None:
    """Set the named columns of a person's own record."""
    if values:
        conn.execute(update(people).where(people.c.id == person_id).values(**values))
    if "display_name" in values:
        queue_search.name_changed(conn, person_id)
