"""The gate: who is behind a request's cookie or token, and whether the session still holds.

It runs on a connection that somebody else opened, so that signing a request in and doing its work can
share one transaction.
"""

import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from api.problems import Problem, too_many_requests
from api.security.scopes import Scope
from db.repositories import access
from db.repositories.access import Identity
from domain.people import SECOND_FACTOR_ROLES, STAFF_ROLES, PersonStatus, Role
from settings import Settings

TOUCH_AFTER: Final = timedelta(minutes=5)

Known = Mapping[str, Identity]
"""Sessions that were looked up already, by the hash of their secret."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: the hash of a session's or token's secret, and what tells it is no forgery."""

    session_hash: str | None = None
    token_hash: str | None = None
    unsafe: bool = False
    same_site: bool = False
    csrf_token: str | None = None

    @property
    def present(self) -> bool:
        """Whether anything was shown at all."""
        return self.session_hash is not None or self.token_hash is not None

    @property
    def scope(self) -> Scope:
        """What a token needs for such a request, where its route asks for nothing else."""
        return Scope.WRITE if self.unsafe else Scope.READ


class SecondFactorState(StrEnum):
    """What a session still needs before staff roles can be used."""

    OK = "ok"
    REQUIRED = "required"
    ENROL = "enrol"


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who asks. ``roles`` can be used now; ``held_roles`` may still lack a second factor."""

    person_id: str
    email: str
    display_name: str
    locale: str
    time_zone: str
    list_mail: bool
    roles: frozenset[Role]
    held_roles: frozenset[Role]
    second_factor_enrolled: bool
    second_factor_at: datetime | None
    session_hash: str | None
    token_id: str | None
    scopes: frozenset[str]
    csrf_token: str | None

    def has(self, *roles: Role) -> bool:
        """Tell whether the person may act in any of ``roles`` now."""
        return not self.roles.isdisjoint(roles)

    @property
    def is_staff(self) -> bool:
        """Whether the person may act as staff of any kind now."""
        return not self.roles.isdisjoint(STAFF_ROLES)

    @property
    def second_factor_state(self) -> SecondFactorState:
        """What the session or token still needs before every role that is held can be used."""
        if self.roles == self.held_roles:
            return SecondFactorState.OK
        return SecondFactorState.REQUIRED if self.second_factor_enrolled else SecondFactorState.ENROL

    def reaches(self, scope: Scope) -> bool:
        """Tell whether what was shown is good for ``scope``: a session always, a token if it carries it."""
        return self.token_id is None or scope.value in self.scopes

    def require(self, *roles: Role) -> None:
        """Raise ``Problem`` unless the person may act in one of ``roles`` now."""
        if self.has(*roles):
            return
        if self.held_roles.isdisjoint(roles):
            raise Problem("forbidden")
        raise self.second_factor_problem()

    def second_factor_problem(self) -> Problem:
        """Return the problem that says how to get at the roles that cannot be used yet."""
        enrolled = self.second_factor_enrolled
        return Problem("second_factor_required" if enrolled else "second_factor_enrolment_required")


class Gate:
    """Turns credentials into an actor, by the limits of ``settings``."""

    def __init__(self, settings: Settings) -> None:
        hours = timedelta(hours=1)
        self._second_factor = settings.staff_second_factor
        self._idle = settings.session_idle_hours * hours
        self._absolute = settings.session_absolute_hours * hours
        self._staff_idle = settings.staff_session_idle_hours * hours
        self._staff_absolute = settings.staff_session_absolute_hours * hours
        self._writes = WriteMeter(settings.writes_per_minute)
        self.seen: dict[str, datetime] = {}

    @property
    def session_lifetime(self) -> timedelta:
        """The longest that any session lasts; staff's are cut shorter when they are used."""
        return self._absolute

    def actor(self, conn: Connection, credentials: Credentials, known: Known | None = None) -> Actor | None:
        """Return who asks, None for nobody, by one statement, or by none where ``known`` holds the session.

        A session that is over, a revoked token or a closed account counts as nobody. Raises ``Problem``
        for a forged request and for too many writes.
        """
        now = datetime.now(UTC)
        identity = _identity(conn, credentials, known)
        if identity is None or not self._holds(identity, now):
            return None
        if credentials.unsafe:
            if credentials.token_hash is None:
                _refuse_forgery(credentials, identity)
            self._writes.count(identity.person_id)
        self._note_use(identity, credentials, now)
        return self._actor_of(identity, credentials)

    def visitor(self, conn: Connection, credentials: Credentials) -> Actor | None:
        """Return who asks where everybody may: None for nobody, and by a token whose scope ends before this.

        Raises ``Problem`` as ``actor`` does.
        """
        actor = self.actor(conn, credentials) if credentials.present else None
        return actor if actor is not None and actor.reaches(credentials.scope) else None

    def _holds(self, identity: Identity, now: datetime) -> bool:
        if identity.status is not PersonStatus.ACTIVE:
            return False
        if identity.expires_at is not None and now >= identity.expires_at:
            return False
        if identity.token_id is not None or identity.last_seen_at is None:
            return True
        staff = not identity.roles.isdisjoint(STAFF_ROLES)
        idle, absolute = (self._staff_idle, self._staff_absolute) if staff else (self._idle, self._absolute)
        return now < identity.last_seen_at + idle and now < identity.created_at + absolute

    def _note_use(self, identity: Identity, credentials: Credentials, now: datetime) -> None:
        """Remember a use now and then; housekeeping writes it, so that no request waits for it."""
        if identity.last_seen_at is None or now - identity.last_seen_at > TOUCH_AFTER:
            self.seen[credentials.token_hash or credentials.session_hash or ""] = now

    def _actor_of(self, identity: Identity, credentials: Credentials) -> Actor:
        proven = identity.second_factor_at is not None or not self._second_factor
        return Actor(
            person_id=identity.person_id,
            email=identity.email,
            display_name=identity.display_name,
            locale=identity.locale,
            time_zone=identity.time_zone,
            list_mail=identity.list_mail,
            roles=identity.roles if proven else identity.roles - SECOND_FACTOR_ROLES,
            held_roles=identity.roles,
            second_factor_enrolled=identity.second_factor_confirmed,
            second_factor_at=identity.second_factor_at,
            session_hash=None if identity.token_id else credentials.session_hash,
            token_id=identity.token_id,
            scopes=identity.scopes,
            csrf_token=identity.csrf_token,
        )


def known_sessions(conn: Connection, shown: Iterable[Credentials]) -> Known:
    """Look up the sessions of several requests at once, for ``Gate.actor`` to judge each of them."""
    return access.by_sessions(conn, (one.session_hash for one in shown if one.session_hash is not None))


def _identity(conn: Connection, credentials: Credentials, known: Known | None) -> Identity | None:
    if credentials.token_hash is not None:
        return access.by_token(conn, credentials.token_hash)
    if credentials.session_hash is None:
        return None
    if known is not None:
        return known.get(credentials.session_hash)
    return access.by_session(conn, credentials.session_hash)


def _refuse_forgery(credentials: Credentials, identity: Identity) -> None:
    """A browser sends the cookie along for anybody: the request must come from here or know the token."""
    shown, expected = credentials.csrf_token, identity.csrf_token
    if credentials.same_site:
        return
    if not shown or not expected or not hmac.compare_digest(shown.encode(), expected.encode()):
        raise Problem("cross_site_request")


class WriteMeter:
    """Counts the writes of each person in this process, by the minute; generous, against runaway clients."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, person_id: str) -> None:
        """Count one write. Raises ``Problem`` once the limit is passed, until the minute is over."""
        seconds = time.time()
        minute = int(seconds // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        count = self._counts[person_id] = self._counts.get(person_id, 0) + 1
        if count > self._limit:
            raise too_many_requests(60 - int(seconds % 60))
