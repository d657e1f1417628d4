"""What is wrong with single fields, in the reader's language and without repeating what was typed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from babel.lists import format_list

from api.problems import FieldError
from locales import MissingMessage, translate
from locales.catalogue import language_of

MOST_ERRORS: Final = 50
_LENGTHS: Final = frozenset({"too_short", "too_long"})
_COUNTED: Final = ("min_length", "max_length")
_CHOICES: Final = frozenset({"enum", "literal_error"})
_VALUE: Final = re.compile(r"'[^']*'|\b(?!or\b)[^\s,]+")
"""One of the values that pydantic lists in English: ``'a', 'b' or 'c'``."""
_PLACES: Final = frozenset({"body", "query", "path", "header", "cookie"})


def field_errors(locale: str, found: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Return pydantic's errors as ours, at most fifty of them."""
    return [_field(locale, item) for item in found[:MOST_ERRORS]]


def one_of(locale: str, values: Sequence[str]) -> str:
    """Return ``values`` as a list of which one is asked for, in the reader's language."""
    return format_list(values, style="or", locale=language_of(locale).replace("-", "_"))


def _field(locale: str, item: Mapping[str, Any]) -> FieldError:
    code = str(item["type"])
    if code in _LENGTHS and item.get("ctx", {}).get("field_type") == "Value":
        # pydantic's name for the length of text that a validator of ours has cleaned before.
        code = f"string_{code}"
    return FieldError(field=_path(item["loc"]), code=code, message=_message(locale, code, item))


def _message(locale: str, code: str, item: Mapping[str, Any]) -> str:
    values = {
        name: value for name, value in item.get("ctx", {}).items() if isinstance(value, str | int | float)
    }
    if code in _CHOICES:
        values["expected"] = one_of(locale, _VALUE.findall(str(values["expected"])))
    values["count"] = next((values[name] for name in _COUNTED if name in values), 0)
    try:
        return translate(locale, f"field.{code}", **values)
    except (MissingMessage, KeyError):
        return translate(locale, "field.invalid")


def _path(location: Sequence[int | str]) -> str:
    """Return ``claims[0].scope`` for a place in the body, and the bare name elsewhere.

    Parts that begin with ``#`` name an alternative of a body, which is no field.
    """
    parts = location[1:] if location and location[0] in _PLACES else location
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith("#"):
            text += f".{part}" if text else part
    return text or "body"
