"""Policies: the rules of vetting and of campaigns, versioned."""

from datetime import UTC, datetime
from math import floor
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from api.dependencies import DatabaseDep, SettingsDep
from api.idempotency import Answer, Once, OnceDep
from api.paths import PREFIX
from api.problems import FieldError, Problem
from api.schemas.policies import (
    CampaignPolicyIn,
    CampaignPolicyOut,
    CampaignPolicyVersionsOut,
    PolicyIn,
    PolicyOut,
    PolicyVersionsOut,
    VersionIn,
    VersionOut,
)
from api.security import allow
from api.security.gate import Actor
from db.repositories.policies import CAMPAIGNS, VETTING, Policies, PolicyChanged, PolicyVersion
from domain.people import STAFF_ROLES, Role
from domain.policy import VettingPolicy
from locales import translate
from settings import Settings

router = APIRouter(prefix=f"{PREFIX}/policies", tags=["policies"])

Staff = Annotated[Actor, allow.roles(*sorted(STAFF_ROLES))]
Admin = Annotated[Actor, allow.roles(Role.ADMIN)]
P = TypeVar("P", bound=BaseModel)


def _out(version: PolicyVersion[Any]) -> dict[str, Any]:
    return {
        "version": version.version,
        "body": version.policy,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "note": version.note,
    }


def check_server(policy: VettingPolicy, settings: Settings, locale: str) -> None:
    """Raise ``Problem`` where ``policy`` allows more than this server takes: nobody could use it."""
    most = {"max_file_bytes": settings.upload_max_bytes, "max_files": settings.upload_max_files}
    told = {"mebibytes": f"{floor(settings.upload_max_bytes / 2**20 * 100) / 100:g}", **most}
    errors = [
        FieldError(
            field=f"body.intake.{name}",
            code=f"beyond_server_{name}",
            message=translate(locale, f"field.beyond_server_{name}", count=limit, **told),
        )
        for name, limit in most.items()
        if getattr(policy.intake, name) > limit
    ]
    if errors:
        raise Problem("validation_failed", errors=errors)


def add(conn: Connection, kept: Policies[P], actor: Actor, given: VersionIn[P]) -> int:
    """Write a version and return its number. Raises ``Problem`` if another was written meanwhile."""
    try:
        return kept.add_version(
            conn,
            given.body,
            expected_version=given.expected_version,
            now=datetime.now(UTC),
            created_by=actor.person_id,
            note=given.note,
        )
    except PolicyChanged as changed:
        raise Problem("policy_changed", current=changed.current) from None


async def _written(
    once: Once, actor: Actor, kept: Policies[P], given: VersionIn[P], shown: type[VersionOut[P]]
) -> Response:
    def effect(conn: Connection) -> Answer:
        written = kept.get(conn, add(conn, kept, actor, given))
        if written is None:
            raise Problem("not_found")
        return Answer(200, shown(**_out(written)))

    return await once.write(actor.person_id, effect)


@router.get("/vetting", summary="The vetting policy")
async def vetting(actor: Staff, db: DatabaseDep) -> PolicyOut:
    """Return the version that the next application will take with it."""
    return PolicyOut(**_out(await db.read(VETTING.current)))


@router.get("/vetting/versions", summary="Every version of the vetting policy")
async def vetting_versions(actor: Staff, db: DatabaseDep) -> PolicyVersionsOut:
    """Return who changed what, when and why, newest first."""
    history = await db.read(VETTING.history)
    return PolicyVersionsOut(items=[PolicyOut(**_out(version)) for version in history])


@router.put("/vetting", summary="Change the vetting policy", response_model=PolicyOut)
async def write_vetting(actor: Admin, given: PolicyIn, once: OnceDep, settings: SettingsDep) -> Response:
    """Write a new version. Applications under way keep the one they began with."""
    check_server(given.body, settings, actor.locale)
    return await _written(once, actor, VETTING, given, PolicyOut)


@router.get("/campaigns", summary="The policy of campaigns")
async def campaigns(actor: Staff, db: DatabaseDep) -> CampaignPolicyOut:
    """Return the version that the next campaign handed in will take with it."""
    return CampaignPolicyOut(**_out(await db.read(CAMPAIGNS.current)))


@router.get("/campaigns/versions", summary="Every version of the policy of campaigns")
async def campaign_versions(actor: Staff, db: DatabaseDep) -> CampaignPolicyVersionsOut:
    """Return who changed what, when and why, newest first."""
    history = await db.read(CAMPAIGNS.history)
    return CampaignPolicyVersionsOut(items=[CampaignPolicyOut(**_out(version)) for version in history])


@router.put("/campaigns", summary="Change the policy of campaigns", response_model=CampaignPolicyOut)
async def write_campaigns(actor: Admin, given: CampaignPolicyIn, once: OnceDep) -> Response:
    """Write a new version. Campaigns that were handed in before keep the one they began with."""
    return await _written(once, actor, CAMPAIGNS, given, CampaignPolicyOut)
