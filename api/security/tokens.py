"""API tokens: made by a signed-in person for a program, shown once, revocable."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from api.problems import Problem
from api.security.credentials import TOKEN_PREFIX, hashed, new_secret
from api.security.gate import Actor, SecondFactorState
from api.security.scopes import Scope
from db.database import Database
from db.repositories import access
from domain.ids import new_id
from domain.people import Role

MOST_TOKENS: Final = 50
ADMINS_ONLY: Final = frozenset({Scope.CONTRIBUTIONS_WRITE})


async def make(
    db: Database, actor: Actor, name: str, scopes: frozenset[Scope], days: int | None
) -> tuple[str, str, datetime | None]:
    """Make a token and return its id, its secret and when it expires (UTC).

    It passes the second factor for ever if the session that makes it has. Raises ``Problem`` if staff
    have not, for a scope that the person cannot give, and for too many tokens.
    """
    if actor.second_factor_state is not SecondFactorState.OK:
        raise actor.second_factor_problem()
    for scope in sorted(scopes & ADMINS_ONLY):
        if not actor.has(Role.ADMIN):
            raise Problem("scope_not_allowed", scope=scope.value)
    now = datetime.now(UTC)
    secret = TOKEN_PREFIX + new_secret()
    expires_at = None if days is None else now + timedelta(days=days)
    row: dict[str, Any] = {
        "id": new_id(),
        "token_hash": hashed(secret),
        "person_id": actor.person_id,
        "name": name,
        "scopes": sorted(scope.value for scope in scopes),
        "created_at": now,
        "expires_at": expires_at,
        "second_factor_at": actor.second_factor_at,
    }

    def store(conn: Connection) -> None:
        if access.count_tokens(conn, actor.person_id) >= MOST_TOKENS:
            raise Problem("too_many_tokens", limit=MOST_TOKENS)
        access.store_token(conn, row)

    await db.write(store)
    return row["id"], secret, expires_at
