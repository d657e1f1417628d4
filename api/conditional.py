"""Edits that hold only if what was read is still so: `ETag` and `If-Match` over a row's edit version."""

from typing import Annotated

from fastapi import Header

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
