"""Members as an existing community hands them over."""

import unicodedata
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.people import (
    CERTIFIED_ROLES,
    DEFAULT_LOCALE,
    DEFAULT_TIME_ZONE,
    LOCALES,
    Role,
    has_control_characters,
    normalise_email,
)

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def valid_email(value: str) -> str:
    """Return ``value`` if it is a mail address (nobody is asked whether it exists); raises ``ValueError``."""
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"not a mail address: {error}") from error


def valid_name(value: str) -> str:
    """Return a display name in one Unicode form; raises ``ValueError`` for line breaks and the like."""
    if has_control_characters(value):
        raise ValueError("line breaks and control characters are not allowed")
    return unicodedata.normalize("NFC", value).strip()


def valid_time_zone(value: str) -> str:
    """Return ``value`` if it names a time zone (IANA); raises ``ValueError``."""
    if value not in _time_zones():
        raise ValueError("not a time zone; Asia/Shanghai is one")
    return value


def _valid_locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"possible are {', '.join(LOCALES)}")
    return value


def _listed(value: Any) -> Any:
    """Split a cell at ``;`` or ``|``."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.replace("|", ";").split(";") if part.strip()]


def _instant(value: Any) -> Any:
    """Read a date or an instant; a date is its first moment in UTC."""
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError("write 2026-01-31, or a time as 2026-01-31T08:00:00+08:00") from None
        else:
            value = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return value


def _sensible(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its offset, as in 2026-01-31T08:00:00+08:00")
    if value < _EARLIEST:
        raise ValueError("that is before 1990")
    return value.astimezone(UTC)


def _not_certified(value: Role) -> Role:
    if value in CERTIFIED_ROLES:
        raise ValueError(f"{value.value} comes from vetting alone")
    return value


Email = Annotated[str, Field(max_length=320), AfterValidator(valid_email)]
Name = Annotated[str, AfterValidator(valid_name), Field(min_length=1, max_length=120)]
Circle = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(valid_name)]


class MemberIn(BaseModel):
    """One member of a file: who it is, since when, in which circles, and by whom invited (an address)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: Email
    name: Name
    locale: Annotated[str, AfterValidator(_valid_locale)] = DEFAULT_LOCALE
    time_zone: Annotated[str, AfterValidator(valid_time_zone)] = DEFAULT_TIME_ZONE
    joined_at: Annotated[datetime, BeforeValidator(_instant), AfterValidator(_sensible)] | None = None
    circles: Annotated[tuple[Circle, ...], BeforeValidator(_listed), Field(max_length=50)] = ()
    invited_by: Email | None = None
    roles: Annotated[
        tuple[Annotated[Role, AfterValidator(_not_certified)], ...], BeforeValidator(_listed)
    ] = ()

    @model_validator(mode="after")
    def _invited_by_another(self) -> Self:
        if self.invited_by is not None and normalise_email(self.invited_by) == normalise_email(self.email):
            raise ValueError("invited_by: nobody invites oneself")
        return self
