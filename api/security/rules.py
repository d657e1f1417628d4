"""Access rules: what a route's rule checks, on whose connection, and what it answers to whom."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from api.parts import Parts, parts_of
from api.problems import Problem
from api.security.credentials import credentials_of, foreign
from api.security.gate import Actor, Credentials, Known, known_sessions
from api.security.scopes import Scope
from db.together import Work
from domain.people import Role

A = TypeVar("A")
T = TypeVar("T")

Owner = Callable[[Connection, str], str | None]
"""Looks up whose an object is, by its id; None for an object that does not exist."""

ID_PATTERN: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ID: Final = re.compile(ID_PATTERN)


class Rule:
    """Who may use a route. ``audience`` says it in words for the table."""

    def __init__(
        self,
        audience: str,
        *,
        roles: frozenset[Role] = frozenset(),
        owner: Owner | None = None,
        owner_parameter: str = "",
        scope: Scope | None = None,
        session_only: bool = False,
        public: bool = False,
        local_only: bool = False,
        private: Callable[[Connection, str], bool] | None = None,
    ) -> None:
        self.audience = audience
        self.roles = roles
        self.owner = owner
        self.owner_parameter = owner_parameter
        self.scope = scope
        self.session_only = session_only
        self.public = public
        self.local_only = local_only
        self.private = private

    def admit(
        self,
        conn: Connection,
        parts: Parts,
        credentials: Credentials,
        target: str | None,
        known: Known | None = None,
    ) -> Actor:
        """Return the actor, or raise the ``Problem`` that says why not. ``target`` is the object's id."""
        actor = parts.gate.actor(conn, credentials, known)
        if actor is None:
            raise _sign_in_required()
        self._check_token(actor, credentials)
        if self.owner is not None:
            self._check_owner(conn, actor, target or "")
        elif self.roles:
            actor.require(*self.roles)
        return actor

    def _check_token(self, actor: Actor, credentials: Credentials) -> None:
        if actor.token_id is None:
            return
        if self.session_only:
            raise Problem("session_required")
        needed = self.scope or credentials.scope
        if not actor.reaches(needed):
            raise Problem("scope_missing", scope=needed.value)

    def _check_owner(self, conn: Connection, actor: Actor, target: str) -> None:
        """Owners and staff pass; to everybody else the object does not exist."""
        assert self.owner is not None
        owner = self.owner(conn, target) if _ID.match(target) else None
        if owner is None:
            raise Problem("not_found")
        if owner == actor.person_id:
            return
        if actor.held_roles.isdisjoint(self.roles):
            raise Problem("not_found")
        actor.require(*self.roles)
        if self.private is not None and self.private(conn, target):
            raise Problem("not_found")


class Guard:
    """A rule that is still to be enforced, on the caller's own connection."""

    __slots__ = ("_parts", "_request", "_rule", "_target", "credentials")

    def __init__(self, rule: Rule, request: Request, parts: Parts, credentials: Credentials) -> None:
        self._rule = rule
        self._request = request
        self._parts = parts
        self.credentials = credentials
        self._target = _target(rule, request)

    def enter(self, conn: Connection, known: Known | None = None) -> Actor:
        """Enforce the rule and return the actor; raises ``Problem``. First thing in a read or write."""
        actor = self._rule.admit(conn, self._parts, self.credentials, self._target, known)
        self._request.state.locale = actor.locale
        return actor

    async def read(self, fn: Callable[[Connection, Actor], T]) -> T:
        """Enforce the rule and run ``fn`` on one snapshot; raises ``Problem``."""
        return await self._parts.db.read(lambda conn: fn(conn, self.enter(conn)))

    async def write_together(self, work: Work[tuple["Guard", A], T], item: A) -> T:
        """Have ``work`` done for ``item`` together with others' (``Database.write_together``).

        ``work`` enforces the rules of all of them by ``entered``; raises ``Problem``.
        """
        return await self._parts.db.write_together(work, (self, item))


def entered(conn: Connection, guards: Sequence[Guard]) -> list[Actor | Problem]:
    """Enforce the rules of several requests, whose sessions take one statement: who asks, or why not."""
    known = known_sessions(conn, (guard.credentials for guard in guards))
    found: list[Actor | Problem] = []
    for guard in guards:
        try:
            found.append(guard.enter(conn, known))
        except Problem as problem:
            found.append(problem)
    return found


class Public:
    """What FastAPI calls for a rule that lets everybody in, except for other sites' forms."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def __call__(self, request: Request) -> None:
        if self.rule.local_only and not _from_this_machine(request):
            raise Problem("not_found")
        if request.method not in {"GET", "HEAD"} and foreign(request):
            raise Problem("cross_site_request")


class Eager:
    """What FastAPI calls to enforce a rule before the route's function runs."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def __call__(self, request: Request) -> Actor:
        guard = _guard(self.rule, request)
        return await parts_of(request).db.read(guard.enter)


class Inside:
    """What FastAPI calls to hand the route a guard instead."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def __call__(self, request: Request) -> Guard:
        return _guard(self.rule, request)


def _guard(rule: Rule, request: Request) -> Guard:
    parts = parts_of(request)
    credentials = credentials_of(request, parts.cookies)
    if not credentials.present:
        raise _sign_in_required()
    return Guard(rule, request, parts, credentials)


def _target(rule: Rule, request: Request) -> str | None:
    return request.path_params.get(rule.owner_parameter) if rule.owner_parameter else None


def _from_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _sign_in_required() -> Problem:
    return Problem("sign_in_required", headers={"WWW-Authenticate": 'Bearer realm="kameng"'})
