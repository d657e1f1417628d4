"""Certificates as anybody with the code reads them, and as their member hides them."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection
from starlette.requests import Request

from api.parts import parts_of
from api.problems import Problem
from api.schemas.certificates import CertificateOut
from api.security import limits
from db.repositories import certificates
from db.repositories.certificates import Certificate

MOST_TRIES: Final = 60
"""Codes that no certificate has, tried by one client in a quarter of an hour."""


def out(found: Certificate, public_url: str) -> CertificateOut:
    """Return a certificate as it is shown."""
    values = {name: value for name, value in found._asdict().items() if name != "person_id"}
    return CertificateOut(**values, url=f"{public_url}/certificates/{found.code}")


async def read(request: Request, code: str, asker_id: str | None) -> Certificate:
    """Return the certificate of ``code``.

    Raises ``Problem``, the same for a code that is nobody's and for one that its member hides.
    """
    db = parts_of(request).db
    found = await db.read(lambda conn: certificates.by_code(conn, code))
    if found is None or (found.hidden and found.person_id != asker_id):
        client = request.client.host if request.client else "unknown"
        await limits.count(db, "certificate_code", client, MOST_TRIES)
        raise Problem("not_found")
    return found


def hide(conn: Connection, code: str, person_id: str, hidden: bool) -> Certificate:
    """Hide a certificate of that person, or show it again. Raises ``Problem`` for any other."""
    found = certificates.by_code(conn, code)
    if found is None or found.person_id != person_id:
        raise Problem("not_found")
    certificates.hide(conn, code, hidden, datetime.now(UTC))
    return found._replace(hidden=hidden)
