"""Pages of lists: an opaque, signed cursor says where the next page begins."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import BaseModel
from starlette.requests import Request

from api.parts import parts_of
from api.problems import Problem

T = TypeVar("T")
Row = TypeVar("Row")

LARGEST_PAGE: Final = 100
DEFAULT_PAGE: Final = 25


class Page(BaseModel, Generic[T]):
    """One page of a list; ``next_cursor`` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


class Paging:
    """Where a page begins (``after``: the values that the cursor holds, or None) and its size."""

    def __init__(self, serializer: URLSafeSerializer, limit: int, after: list[Any] | None) -> None:
        self._serializer = serializer
        self.limit = limit
        self.after = after

    def first(self, limit: int) -> "Paging":
        """Return the first page of another list beside this one, of up to ``limit``."""
        return Paging(self._serializer, limit, None)

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown tells whether another page follows."""
        return self.limit + 1

    def cut(self, rows: Sequence[Row], key: Callable[[Row], Sequence[Any]]) -> tuple[list[Row], str | None]:
        """Return the rows of this page and the cursor of the next; ``key`` gives a row's place as JSON."""
        shown = list(rows[: self.limit])
        more = len(rows) > self.limit
        return shown, self._serializer.dumps(list(key(shown[-1]))) if more else None


async def paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> Paging:
    """Return where the asked page begins. Raises ``Problem`` for a cursor that this route did not give."""
    secret = parts_of(request).settings.secret_key.get_secret_value()
    route: str = request.app.state.template_of(request.scope)
    serializer = URLSafeSerializer(secret, salt=f"cursor:{route}")
    if cursor is None:
        return Paging(serializer, limit, None)
    try:
        after = serializer.loads(cursor)
    except BadSignature:
        raise Problem("cursor_invalid") from None
    return Paging(serializer, limit, after)


PagingDep = Annotated[Paging, Depends(paging)]
