"""Making text that people typed fit for one line of a mail, wherever in it the line stands."""

import re
import unicodedata
from typing import Any

NAME_LENGTH = 120
NOTE_LENGTH = 2000

_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+\s*")
# Direction overrides and zero-width signs let a name pose as another one; the joiner of emoji stays.
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/*(?=\S)|[/\\]+", re.I)
_LINKS = re.compile(r"(?<=\w)[.。．｡@＠](?=\w)")


def one_line(text: str, limit: int | None = None) -> str:
    """Return ``text`` without line breaks and control characters, cut to ``limit`` characters with «…»."""
    joined = _INVISIBLE.sub("", _LINE_BREAKS.sub(" ", text))
    plain = "".join(c if unicodedata.category(c) not in ("Cc", "Cs") else " " for c in joined).strip()
    return plain if limit is None or len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def plain_name(text: str) -> str:
    """Return a name of at most 40 characters in which no mail program finds an address to follow.

    It is shown to people who have never heard of its owner.
    """
    return one_line(_LINKS.sub("·", _SCHEME.sub(" ", one_line(text))), 40)


def lines(text: str, limit: int) -> list[str]:
    """Return the non-empty lines of ``text``, each cleaned, together at most about ``limit`` characters."""
    cut = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
    return [line for raw in re.split(r"[\r\n\v\f\x85\u2028\u2029]+", cut) if (line := one_line(raw))]


def cleaned(value: Any) -> Any:
    """Return ``value`` (what JSON can hold) with every string in it made one line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {key: cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return value
