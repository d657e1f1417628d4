"""Requests on a condition, by entity tags.

Edits hold only if what was read is still so: `ETag` and `If-Match` over a row's edit version. Pictures that
may be gone tomorrow are kept by browsers and asked for each time, and sent only if they have changed: `ETag`
and `If-None-Match` over the bytes.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from api.problems import Problem

IfMatch = Annotated[str | None, Header(max_length=80, description='The `ETag` that was read: `"v3"`.')]
IfMatchNeeded = Annotated[
    str | None,
    Header(max_length=80, description='Needed (428 without): the `ETag` that was read, such as `"v3"`.'),
]


def edit_version_of(if_match: str | None) -> int | None:
    """Return the version that ``If-Match`` names, None without one. Raises ``Problem``."""
    if if_match is None:
        return None
    number = if_match.strip().removeprefix('"v').removesuffix('"')
    if not number.isascii() or not number.isdigit() or if_match.strip() != etag_of(int(number[:9])):
        raise Problem("edit_conflict")
    return int(number)


def etag_of(edit_version: int) -> str:
    """Return the entity tag of what the applicant can edit."""
    return f'"v{edit_version}"'


def unless_known(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return ``content``, or 304 without it to who shows that they have it.

    What is kept has to be asked for each time, so that what is taken back is gone at once.
    """
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    told = {**headers, "ETag": tag, "Cache-Control": "private, no-cache"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=told)
    return Response(content, media_type=media_type, headers=told)
