"""Who looks at a page that everybody may see."""

from starlette.requests import Request

from api.parts import parts_of
from api.security.credentials import credentials_of
from api.security.gate import Actor


async def visitor(request: Request) -> Actor | None:
    """Return who is signed in, None for somebody who is not, or by a token that is not good for this."""
    parts = parts_of(request)
    credentials = credentials_of(request, parts.cookies)
    if not credentials.present:
        return None
    return await parts.db.read(lambda conn: parts.gate.visitor(conn, credentials))
