"""Templates of campaigns: reading those that are offered, and editing them by staff."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import Connection
from starlette.responses import Response

from api.conditional import IfMatchNeeded, edit_version_of, etag_of
from api.dependencies import DatabaseDep
from api.idempotency import Answer, OnceDep
from api.paths import PREFIX
from api.problems import Problem
from api.routes.campaigns import Manager
from api.schemas.campaign_templates import TemplateIn, TemplateOut, TemplatesOut, TemplateVersionsOut
from api.schemas.campaigns import TEMPLATE_CODE
from api.security import allow
from api.security.gate import Actor
from api.services import campaign_templates as templates
from api.services.campaigns import MANAGERS
from db.database import Database

router = APIRouter(prefix=f"{PREFIX}/campaign-templates", tags=["campaigns"])

Code = Annotated[str, Path(pattern=TEMPLATE_CODE, max_length=32)]


@router.get("", summary="Templates of campaigns")
async def listed(actor: Annotated[Actor, allow.signed_in], db: DatabaseDep) -> TemplatesOut:
    """Return the templates that are offered; staff see the retired ones too."""
    read = templates.every if actor.has(*MANAGERS) else templates.offered
    return TemplatesOut(items=await db.read(read))


@router.get("/{code}", summary="A template", response_model=TemplateOut)
async def show(actor: Manager, code: Code, db: DatabaseDep) -> Response:
    """Return one template with the ``ETag`` to change it by."""
    return _answer(await db.read(lambda conn: templates.existing(conn, code)))


def _answer(found: TemplateOut) -> Response:
    headers = {"ETag": etag_of(found.version)}
    return Response(found.model_dump_json(), media_type="application/json", headers=headers)


@router.get("/{code}/versions", summary="Every version of a template")
async def versions(actor: Manager, code: Code, db: DatabaseDep) -> TemplateVersionsOut:
    """Return who changed it, when and why, newest first."""
    return TemplateVersionsOut(items=await db.read(lambda conn: templates.versions(conn, code)))


async def _version(db: Database, code: str, if_match: str | None) -> int:
    version = edit_version_of(if_match)
    if version is None:
        found = await db.read(lambda conn: templates.find(conn, code))
        etag = etag_of(found.version if found else 0)
        raise Problem("precondition_required", headers={"ETag": etag}, etag=etag)
    return version


@router.put("/{code}", summary="Change or add a template", response_model=TemplateOut)
async def write(
    actor: Manager,
    code: Code,
    given: TemplateIn,
    once: OnceDep,
    db: DatabaseDep,
    if_match: IfMatchNeeded = None,
) -> Response:
    """Write a new version; ``"v0"`` for a new template. Drafts that were made from it stay as they are."""
    version = await _version(db, code, if_match)

    def effect(conn: Connection) -> Answer:
        written = templates.write(conn, actor, code, version, given)
        return Answer(200, written, {"ETag": etag_of(written.version)})

    return await once.write(actor.person_id, effect)


@router.post("/{code}/restore", summary="Restore a template", response_model=TemplateOut)
async def restore(
    actor: Manager, code: Code, once: OnceDep, db: DatabaseDep, if_match: IfMatchNeeded = None
) -> Response:
    """Make a template that is shipped what it was, as a new version."""
    version = await _version(db, code, if_match)

    def effect(conn: Connection) -> Answer:
        written = templates.restore(conn, actor, code, version)
        return Answer(200, written, {"ETag": etag_of(written.version)})

    return await once.write(actor.person_id, effect)
