"""Certificates: proving one by its code, my own ones, hiding one; and my certifications as a leader."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import DatabaseDep, SettingsDep
from api.idempotency import Answer, OnceDep
from api.pages.visitors import visitor
from api.paths import PREFIX
from api.schemas.certificates import (
    CertificateChanges,
    CertificateOut,
    CertificatesOut,
    CertificationsOut,
)
from api.security import allow
from api.security.gate import Actor
from api.services import certificates as service
from api.services import certifications
from db.repositories import certificates

router = APIRouter(prefix=PREFIX, tags=["certificates"])

CertificateCode = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Reader = Annotated[Actor, allow.signed_in]


@router.get("/certificates/{code}", summary="A certificate", dependencies=[allow.anyone])
async def show(request: Request, code: CertificateCode, settings: SettingsDep) -> CertificateOut:
    """Return what a certificate says; unknown and hidden ones are told alike (404)."""
    actor = await visitor(request)
    found = await service.read(request, code, actor.person_id if actor else None)
    return service.out(found, settings.public_url)


@router.get("/me/certificates", summary="My certificates")
async def mine(actor: Reader, db: DatabaseDep, settings: SettingsDep) -> CertificatesOut:
    """Return the certificates of whoever asks, newest first."""
    found = await db.read(lambda conn: certificates.of_person(conn, actor.person_id))
    return CertificatesOut(items=[service.out(one, settings.public_url) for one in found])


@router.get("/me/certifications", summary="My certifications")
async def certified(actor: Reader, db: DatabaseDep) -> CertificationsOut:
    """Return what I was and am as a leader, since when, until when and why it ended, newest first."""
    found = await db.read(lambda conn: certifications.of_person(conn, actor.person_id))
    return CertificationsOut(items=found)


@router.patch("/certificates/{code}", summary="Hide or show my certificate", response_model=CertificateOut)
async def change(
    actor: Reader, code: CertificateCode, given: CertificateChanges, once: OnceDep, settings: SettingsDep
) -> Response:
    """Say whether others may see it; somebody else's is told as unknown (404)."""

    def effect(conn: Connection) -> Answer:
        return Answer(
            200, service.out(service.hide(conn, code, actor.person_id, given.hidden), settings.public_url)
        )

    return await once.write(actor.person_id, effect)
