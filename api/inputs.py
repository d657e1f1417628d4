"""Types of what people type: bounded, and free of what has no business in it."""

import unicodedata
from typing import Annotated
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from domain.people import has_control_characters

TIME_ZONES = frozenset(available_timezones())
"""The names of all time zones."""


class Input(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# They come along unseen where something is pasted, and turn around what a page says after a title or a name.
_TURNS = str.maketrans("", "", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _one_line(text: str) -> str:
    if has_control_characters(text):
        raise PydanticCustomError("control_characters", "must not contain line breaks or control characters")
    return unicodedata.normalize("NFC", text.translate(_TURNS).strip())


_LAYOUT = frozenset("\n\r\t\u2028\u2029")


def _plain(text: str) -> str:
    if has_control_characters("".join(set(text) - _LAYOUT)):
        raise PydanticCustomError("control_characters", "must not contain control characters")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _email(text: str) -> str:
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "is not an e-mail address") from error
    return checked.normalized


def _time_zone(name: str) -> str:
    if name not in TIME_ZONES:
        raise PydanticCustomError("time_zone", "is not the name of a time zone")
    return name


OneLine = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_one_line)]
"""A name or title: no line breaks, no control characters; left out is what turns the direction of writing.

Give it a length where it is used.
"""

PlainText = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_plain)]
"""Free text: line breaks and tabs, no other control characters. Give it a length where it is used."""

Email = Annotated[str, StringConstraints(min_length=3, max_length=320), AfterValidator(_email)]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_time_zone)]
