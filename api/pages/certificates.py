"""My certifications and certificates, and the page of one: to prove by its code, to print, to hide."""

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import seen, typed
from api.pages.pictures.qr import svg
from api.pages.rendering import page
from api.pages.visitors import visitor
from api.routes.certificates import CertificateCode, Reader
from api.schemas.certificates import CertificateOut, CertificationOut
from api.security import allow
from api.services import certificates as service
from api.services import certifications
from db.repositories import certificates

router = APIRouter(prefix="/certificates")

_HEADERS = {"X-Robots-Tag": "noindex"}


@router.get("")
async def mine(request: Request, actor: Reader, parts: PartsDep) -> Response:
    """Show what I was and am as a leader, and the certificates of the campaigns that I completed."""

    def read(conn: Connection) -> tuple[list[CertificationOut], list[CertificateOut]]:
        own = certificates.of_person(conn, actor.person_id)
        url = parts.settings.public_url
        return certifications.of_person(conn, actor.person_id), [service.out(one, url) for one in own]

    led, completed = await parts.db.read(read)
    return page(request, "certificates", actor, led=led, completed=completed)


@router.get("/{code}", dependencies=[allow.anyone])
async def show(request: Request, parts: PartsDep, code: CertificateCode) -> Response:
    """Show a certificate to anybody who has its code."""
    actor = await visitor(request)
    found = await service.read(request, code, actor.person_id if actor else None)
    shown = service.out(found, parts.settings.public_url)
    own = actor is not None and actor.person_id == found.person_id
    return page(request, "certificate", actor, headers=_HEADERS, certificate=shown, own=own)


@router.get("/{code}/qr.svg", dependencies=[allow.anyone])
async def qr(request: Request, parts: PartsDep, code: CertificateCode) -> Response:
    """Return the address of the page as a QR code, for the printed certificate."""
    actor = await visitor(request)
    found = await service.read(request, code, actor.person_id if actor else None)
    picture = svg(service.out(found, parts.settings.public_url).url)
    return Response(picture, media_type="image/svg+xml", headers=_HEADERS)


@router.post("/{code}", openapi_extra=exempt("it stays hidden, or shown"))
async def change(request: Request, actor: Reader, parts: PartsDep, code: CertificateCode) -> Response:
    """Hide my certificate from others, or show it again."""
    hidden = (await typed(request)).get("hidden") == "yes"
    await parts.db.write(lambda conn: service.hide(conn, code, actor.person_id, hidden) and None)
    return seen(f"/certificates/{code}", "certificate_hidden" if hidden else "certificate_shown")
