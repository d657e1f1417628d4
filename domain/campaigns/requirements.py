"""What a check-in needs: a note that says something, a web address or a picture, as the plan asks."""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.campaigns.plan import Proof, RequirementPlan

MAX_LINK = 500


class Unmet(StrEnum):
    """Why a check-in does not meet the day's requirement; the stable ``code`` of the problem."""

    PROOF_MISSING = "proof_missing"
    NOTE_TOO_SHORT = "note_too_short"
    NOTE_REPEATS = "note_repeats_itself"
    LINK_INVALID = "web_address_invalid"


class Evidence(NamedTuple):
    """What a member handed in for a day."""

    note: str = ""
    link: str | None = None
    picture: bool = False


# Letters and symbols that are drawn as nothing: Hangul fillers and the blank of Braille.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_SAID_TWICE = 2


class _Without(dict[int, int | None]):
    """A table for ``str.translate`` that drops kinds of characters; every check-in comes through here.

    It looks a character up in Unicode's data the first time only. It cannot outgrow Unicode.
    """

    def __init__(self, kinds: str) -> None:
        super().__init__((ord(blank), None) for blank in _BLANKS)
        self._kinds = kinds

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in self._kinds else code
        return self[code]


_UNSEEN = _Without("CMZ")
_PUNCTUATION = _Without("P")


def unmet(plan: RequirementPlan, given: Evidence) -> Unmet | None:
    """Return why ``given`` does not meet the requirement, or None.

    One of the plan's proofs is enough. An address that is not one is refused whatever else is there: it
    would be shown to others.
    """
    if given.link is not None and not is_web_address(given.link):
        return Unmet.LINK_INVALID
    if Proof.LINK in plan.proofs and given.link is not None:
        return None
    if Proof.PICTURE in plan.proofs and given.picture:
        return None
    seen = len(visible(given.note))
    if Proof.NOTE not in plan.proofs or (not seen and len(plan.proofs) > 1):
        return Unmet.PROOF_MISSING
    if seen < plan.min_note_characters:
        return Unmet.NOTE_TOO_SHORT
    return None if substance(given.note) >= plan.min_note_characters else Unmet.NOTE_REPEATS


def visible(text: str) -> str:
    """Return what of ``text`` is seen, composed (NFC): no spaces, controls, marks or invisible letters."""
    return unicodedata.normalize("NFC", text).translate(_UNSEEN)


def substance(note: str) -> int:
    """Return how many visible characters of ``note`` say something: what is said again counts once.

    A text that is one piece over and over counts as that piece; one made up of a single character or word
    for more than its half counts each of its characters or words once. Punctuation alone says nothing.
    """
    lowered = note.lower()
    seen = visible(lowered)
    letters = seen.translate(_PUNCTUATION)
    words = re.findall(r"\w+", lowered)
    counts = [len(seen), _piece(letters)]
    if _dominated(letters):
        counts.append(len(set(letters)))
    if _dominated(words):
        counts.append(sum(len(word) for word in set(words)))
    return min(counts)


def _piece(text: str) -> int:
    """Length of the shortest piece that ``text`` repeats, the last time perhaps in part; its own if none."""
    # Where the first half comes back first is the only length that a piece can have (Fine and Wilf).
    start = text.find(text[: (len(text) + 1) // 2], 1)
    repeats = 0 < start <= len(text) // 2 and text[start:] == text[:-start]
    return start if repeats else len(text)


def _dominated(pieces: Sequence[str]) -> bool:
    # What makes up more than half of them is in the middle once they are in order.
    most = pieces.count(sorted(pieces)[len(pieces) // 2]) if pieces else 0
    return most >= _SAID_TWICE and most * 2 > len(pieces)


def is_web_address(link: str) -> bool:
    """Tell whether ``link`` may be shown: http or https, a host name with a dot, no credentials."""
    # A browser reads a backslash as a slash, and so another host than the one that is checked here.
    if len(link) > MAX_LINK or any(char == "\\" or unicodedata.category(char)[0] in "CZ" for char in link):
        return False
    try:
        parts = urlsplit(link)
        parts.port  # noqa: B018 - reading it judges it
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in {"http", "https"} and "@" not in parts.netloc and "." in host.strip(".")
