"""Administration from the command line: the first people with staff roles, and lost second factors."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection

from contracts.mail import MailRequest
from contracts.members import MemberIn
from db.database import Database
from db.repositories import access, mail, people, second_factors
from domain.ids import new_id
from domain.mail import MailTemplate
from domain.people import CERTIFIED_ROLES, DEFAULT_LOCALE, Person, Role
from engine.errors import EngineError

log = structlog.get_logger(__name__)


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


async def reset_second_factor(db: Database, email: str, now: datetime) -> int:
    """Remove the second factor of ``email`` and end every session; return how many there were.

    The person enrols anew at the next sign-in and is written to; API tokens count as not having passed one.
    The log keeps the account's id. Raises ``EngineError`` if nobody or nothing is there to reset.
    """
    person_id, ended = await db.write(partial(_reset, email=email, now=now))
    log.info("second factor reset", person_id=person_id, sessions_ended=ended)
    return ended


def _reset(conn: Connection, email: str, now: datetime) -> tuple[str, int]:
    person = people.get_by_email(conn, email)
    if person is None:
        raise EngineError("nobody has that address")
    if not second_factors.remove(conn, person.id):
        raise EngineError("that account has no second factor")
    access.forget_second_factor(conn, person.id)
    template = MailTemplate.SECOND_FACTOR_CHANGED
    request = MailRequest(key=f"{template.value}:{new_id()}", template=template, person_id=person.id)
    mail.queue(conn, [request], now)
    return person.id, access.end_sessions(conn, person.id)
