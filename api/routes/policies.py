"""Policies: the rules of vetting, and the public list of those who passed it."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep
from api.idempotency import Answer, OnceDep
from api.paths import PREFIX
from api.problems import Problem
from api.schemas.policies import PolicyIn, PolicyOut, PolicyVersionsOut
from api.security import allow
from api.security.gate import Actor
from db.repositories import policies
from db.repositories.policies import PolicyChanged, PolicyVersion
from domain.people import STAFF_ROLES, Role

router = APIRouter(prefix=f"{PREFIX}/policies", tags=["policies"])

Staff = Annotated[Actor, allow.roles(*sorted(STAFF_ROLES))]


def _out(version: PolicyVersion) -> PolicyOut:
    return PolicyOut(
        version=version.version,
        body=version.policy,
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.note,
    )


@router.get("/vetting", summary="The vetting policy")
async def current(actor: Staff, db: DatabaseDep) -> PolicyOut:
    """Return the version that the next application will take with it."""
    return _out(await db.read(policies.current))


@router.get("/vetting/versions", summary="Every version of the vetting policy")
async def versions(actor: Staff, db: DatabaseDep) -> PolicyVersionsOut:
    """Return who changed what, when and why, newest first."""
    return PolicyVersionsOut(items=[_out(version) for version in await db.read(policies.history)])


@router.put("/vetting", summary="Change the vetting policy", response_model=PolicyOut)
async def write(actor: Annotated[Actor, allow.roles(Role.ADMIN)], given: PolicyIn, once: OnceDep) -> Response:
    """Write a new version. Applications under way keep the one they began with."""

    def effect(conn: Connection) -> Answer:
        try:
            version = policies.add_version(
                conn,
                given.body,
                expected_version=given.expected_version,
                now=datetime.now(UTC),
                created_by=actor.person_id,
                note=given.note,
            )
        except PolicyChanged as changed:
            raise Problem("policy_changed", current=changed.current) from None
        written = policies.get(conn, version)
        if written is None:
            raise Problem("not_found")
        return Answer(200, _out(written))

    return await once.write(actor.person_id, effect)
