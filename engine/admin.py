"""Administration from the command line: the first people with staff roles."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection

from contracts.members import MemberIn
from db.database import Database
from db.repositories import people
from domain.people import CERTIFIED_ROLES, DEFAULT_LOCALE, Person, Role
from engine.errors import EngineError


class Granted(BaseModel):
    """Who it was, whether the person is new, and which roles were not held before."""

    model_config = ConfigDict(frozen=True)

    person: Person
    created: bool
    roles: tuple[Role, ...]


async def create_admin(
    db: Database,
    email: str,
    roles: Sequence[str],
    now: datetime,
    *,
    name: str = "",
    locale: str = DEFAULT_LOCALE,
) -> Granted:
    """Make sure that a person with ``email`` exists and holds ``roles`` (names of ``Role``).

    Called again it changes nothing. Raises ``EngineError`` for an unknown role, one that comes from
    vetting alone, or an impossible address or name.
    """
    wanted = _known_roles(roles)
    try:
        given = MemberIn(email=email, name=name or email.partition("@")[0], locale=locale)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise EngineError(f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}") from error
    return await db.write(partial(_grant, given=given, roles=wanted, now=now))


def _known_roles(names: Sequence[str]) -> tuple[Role, ...]:
    possible = [role.value for role in Role if role not in CERTIFIED_ROLES]
    unknown = [name for name in names if name not in possible]
    if unknown or not names:
        what = f"unknown role {unknown[0]!a}" if unknown else "no role was given"
        raise EngineError(f"{what}; possible are {', '.join(possible)}")
    return tuple(Role(name) for name in dict.fromkeys(names))


def _grant(conn: Connection, given: MemberIn, roles: tuple[Role, ...], now: datetime) -> Granted:
    person, created = people.find_or_create(
        conn, people.NewPerson(given.email, given.name, given.locale, given.time_zone, now), now
    )
    fresh = tuple(role for role in roles if people.grant_role(conn, person.id, role, now))
    return Granted(person=person, created=created, roles=fresh)
