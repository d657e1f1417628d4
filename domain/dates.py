"""Days and instants as programs write them: RFC 3339, never a number of seconds."""

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def _is_number(value: Any) -> bool:
    """Tell whether pydantic would count ``value`` from 1970 on."""
    if not isinstance(value, str):
        return isinstance(value, int | float)
    return value.strip().lstrip("+-").replace(".", "", 1).isdigit()


def _written(value: Any) -> Any:
    """Return None, which is no time, for a number."""
    return None if _is_number(value) else value


Day = Annotated[date, BeforeValidator(_written)]
"""A day such as 2026-09-01: a number would silently be one in 1970."""

Instant = Annotated[AwareDatetime, BeforeValidator(_written)]
"""An instant with its offset, such as 2026-09-01T08:00:00Z: a number would silently be one in 1970."""
