"""Rows that a row needs before it is measured, written in bulk."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from api.security.credentials import Cookies, hashed
from db.database import Database
from db.statements import chunked
from db.tables.access import sessions
from db.tables.people import people, role_grants
from domain.ids import new_id
from domain.people import Role

CHUNK = 5_000
LONG_AGO = timedelta(days=400)


def person_row(number: int) -> dict[str, Any]:
    """Return an active person who joined long ago."""
    now, address = datetime.now(UTC), f"member{number}-{secrets.token_hex(4)}@people.example"
    return {
        "id": new_id(),
        "email": address,
        "email_normalised": address,
        "display_name": f"Member {number}",
        "locale": "zh-CN" if number % 2 else "en",
        "time_zone": "Asia/Shanghai",
        "status": "active",
        "good_standing": True,
        "list_mail": True,
        "joined_at": now - LONG_AGO,
        "created_at": now,
    }


async def insert_many(db: Database, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    """Insert ``rows`` in large transactions."""

    def write(chunk: list[dict[str, Any]]) -> Any:
        def run(conn: Connection) -> None:
            conn.execute(insert(table), chunk)

        return run

    for chunk in chunked(rows, CHUNK):
        await db.write(write(chunk))


async def members(db: Database, count: int) -> list[str]:
    """Add ``count`` people who may vote; return their ids."""
    rows = [person_row(number) for number in range(count)]
    await insert_many(db, people, iter(rows))
    now, ids = datetime.now(UTC), [str(row["id"]) for row in rows]
    grants = ({"person_id": id, "role": Role.MEMBER.value, "granted_at": now} for id in ids)
    await insert_many(db, role_grants, grants)
    return ids


async def signed_in(db: Database, person_ids: Sequence[str]) -> list[dict[str, str]]:
    """Sign people in; return the headers that each one's browser sends, in the order given."""
    now = datetime.now(UTC)
    secrets_of = [secrets.token_urlsafe(32) for _ in person_ids]
    rows = (
        {
            "token_hash": hashed(secret),
            "person_id": person_id,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + timedelta(days=1),
            "second_factor_at": now,
            "csrf_token": secrets.token_urlsafe(32),
        }
        for person_id, secret in zip(person_ids, secrets_of, strict=True)
    )
    await insert_many(db, sessions, rows)
    name = Cookies(secure=False).session
    return [{"cookie": f"{name}={secret}", "sec-fetch-site": "same-origin"} for secret in secrets_of]
