"""Finding a piece of text anywhere in others by an index: folding, and the grams that such an index keeps.

A text contains a search exactly if the folded text contains the folded search. The index keeps every run
of three characters of a text (a gram), and the shorter runs at its end, so that each position of the text
begins one gram. A search of one to three characters, two Chinese ones say, is then the beginning of some
gram of each text that contains it; of a longer one the text has every run of three.
"""

import unicodedata
from collections.abc import Sequence

GRAM = 3
MOST_LOOKED_AT = 12
"""So many runs of a long search are looked at: enough to find a rare one."""


def folded(text: str) -> str:
    """Return ``text`` as it is compared: without case and width, spaces as one."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def grams(text: str) -> frozenset[str]:
    """Return what an index keeps of a folded text: the runs of up to three characters from each position."""
    return frozenset(text[start : start + GRAM] for start in range(len(text)))


def beginnings(search: str) -> Sequence[str]:
    """Return what some gram begins with, each of them, in every text that contains the folded ``search``.

    Of a long search only some, spread over it; none for an empty one.
    """
    runs = [search[start : start + GRAM] for start in range(max(1, len(search) - GRAM + 1)) if search]
    step = max(1, -(-len(runs) // MOST_LOOKED_AT))
    return list(dict.fromkeys(runs[::step]))


def key_range(beginning: str) -> tuple[bytes, bytes]:
    """Return the range ``[first, last)`` of the UTF-8 bytes of all strings that begin with ``beginning``."""
    first = beginning.encode()
    return first, first[:-1] + bytes([first[-1] + 1])
