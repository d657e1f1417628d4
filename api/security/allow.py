"""The rules that routes declare. Every route has exactly one, or the application does not start::

    async def queue(actor: Annotated[Actor, allow.roles(Role.REVIEWER)]) -> Queue: ...
    async def show(actor: Annotated[Actor, allow.owner_or(Role.REVIEWER, owner=owner_of, parameter="id")])
    async def cast(guard: Annotated[Guard, inside(allow.members)]) -> Receipt: ...

As a parameter the rule has been enforced, by one read, when the function starts. With ``inside`` the
function gets a ``Guard`` and does its own work through ``guard.read`` or ``guard.write_together``, where the
rule is enforced on the same connection: one round trip less, where that is measured.
"""

from collections.abc import Callable, Sequence

from fastapi import params
from sqlalchemy import Connection

from api.security.rules import Eager, Guard, Inside, Owner, Public, Rule
from api.security.scopes import Scope
from domain.people import Role

__all__ = [
    "Guard",
    "anyone",
    "inside",
    "members",
    "owner_or",
    "roles",
    "session",
    "signed_in",
    "this_machine",
]

anyone = params.Depends(Public(Rule("anyone", public=True)))
this_machine = params.Depends(Public(Rule("anyone on this machine", public=True, local_only=True)))
signed_in = params.Depends(Eager(Rule("signed in")))
session = params.Depends(Eager(Rule("signed in, not by token", session_only=True)))


def roles(*wanted: Role, scope: Scope | None = None) -> params.Depends:
    """Allow people who hold one of ``wanted``; ``scope`` is what a token needs instead of read or write."""
    return params.Depends(Eager(Rule(_names(wanted), roles=frozenset(wanted), scope=scope)))


def owner_or(
    *wanted: Role,
    owner: Owner,
    parameter: str,
    scope: Scope | None = None,
    private: Callable[[Connection, str], bool] | None = None,
) -> params.Depends:
    """Allow whose the object is, and ``wanted``; to others it does not exist (404).

    ``parameter`` names the path parameter with the object's id, which ``owner`` looks up; what ``private``
    tells to be still its owner's alone does not exist to ``wanted`` either.
    """
    audience = f"owner, {_names(wanted)}" if wanted else "owner"
    rule = Rule(
        audience,
        roles=frozenset(wanted),
        owner=owner,
        owner_parameter=parameter,
        scope=scope,
        private=private,
    )
    return params.Depends(Eager(rule))


def inside(allowed: params.Depends) -> params.Depends:
    """Return the form of a rule that gives a ``Guard`` to enforce on the function's own connection."""
    assert isinstance(allowed.dependency, Eager)
    return params.Depends(Inside(allowed.dependency.rule))


def _names(wanted: Sequence[Role]) -> str:
    return ", ".join(role.value for role in wanted)


members = roles(Role.MEMBER)
