"""What messengers and pages of results show beside a link."""

import unicodedata
from typing import Final

_DESCRIPTION: Final = 180


def description_of(text: str) -> str:
    """Return the beginning of ``text`` on one line."""
    line = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    return line if len(line) <= _DESCRIPTION else line[: _DESCRIPTION - 1].rstrip() + "…"
