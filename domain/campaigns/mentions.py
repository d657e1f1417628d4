"""Mentions in notes: ``@name`` is a friend of the campaign, ``@somebody@example.org`` is to be invited.

Names hold spaces, and Chinese has no spaces between words: a name is whatever begins after the sign and is
what somebody is called, the longest that is. How many blanks are between its words makes no difference.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

MOST_SIGNS = 20
MOST_ADDRESSES = 5
_LONGEST_NAME = 120
_MOST_CANDIDATES = 40

# Not inside an address or a word of Latin script.
_SIGN = re.compile(r"(?<![A-Za-z0-9._%+\-])[@＠]")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{1,8}}")
_ENDS_NAME = re.compile(r"[@＠\r\n\u2028\u2029]")
# A dot in the middle joins the parts of a name in Chinese, an apostrophe those of some in Latin script.
_WORD = re.compile(r"[\w-]+(?:[·・‧•][\w-]+|['’]\w{2,})*")

# A word that goes on with a name in Latin script, and what may stand before it; «I» is whoever writes.
_FURTHER = re.compile(
    r"\s+(?:(?:van|von|de|der|den|del|di|da|du|la|le|bin|al)\s+)*(?!I\b)(" + _WORD.pattern + ")"
)
_MOST_TOLD = 40


class MentionOutcome(StrEnum):
    """Whether a name is that of one friend, of several, or of nobody."""

    MENTIONED = "mentioned"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


class Sign(NamedTuple):
    """One ``@`` of a note: where it stands, and the address or the names, longest first, that follow."""

    start: int
    address: str | None
    candidates: tuple[str, ...] = ()


class Named(NamedTuple):
    """Those who are called something: one of them, and how many they are."""

    person_id: str
    display_name: str
    number: int


class Mention(NamedTuple):
    """A name in a note, as it is written there, and whose it is."""

    name: str
    outcome: MentionOutcome
    person_id: str | None = None
    display_name: str = ""


class Piece(NamedTuple):
    """A part of a note as it is shown: plain text, or a mention of a person."""

    text: str
    person_id: str | None = None


def may_mention(note: str) -> bool:
    """Tell whether it is worth looking closer: most notes have no sign at all."""
    return "@" in note or "＠" in note


def folded(name: str) -> str:
    """Return the form under which two spellings of a name are equal."""
    return _single_spaced(unicodedata.normalize("NFC", name).casefold())


def _single_spaced(name: str) -> str:
    return " ".join(name.split())


def signs(note: str) -> list[Sign]:
    """Return the first signs of a note that something follows, in their order."""
    found: list[Sign] = []
    passed = 0
    for match in _SIGN.finditer(note):
        if match.start() < passed:
            continue
        address = _ADDRESS.match(note, match.end())
        if address is not None:
            passed = address.end()
            found.append(Sign(match.start(), address[0]))
        elif candidates := _candidates(note, match.end()):
            found.append(Sign(match.start(), None, candidates))
        if len(found) == MOST_SIGNS:
            break
    return found


def _candidates(note: str, begin: int) -> tuple[str, ...]:
    if begin >= len(note) or note[begin].isspace():
        return ()
    stop = _ENDS_NAME.search(note, begin, begin + _LONGEST_NAME)
    text = note[begin : stop.start() if stop else begin + _LONGEST_NAME]
    ends = [end for end in range(1, len(text) + 1) if _may_end(text, note, begin, end)]
    return tuple(text[:end] for end in reversed(ends[:_MOST_CANDIDATES]))


def _may_end(text: str, note: str, begin: int, end: int) -> bool:
    """Tell whether a name may end here: not at a space, and not within a word that is written with spaces."""
    last, following = text[end - 1], note[begin + end : begin + end + 1]
    if last.isspace():
        return False
    return not (_spaced(last) and following and _spaced(following))


def _spaced(char: str) -> bool:
    return (char.isalnum() or unicodedata.combining(char) != 0) and not _is_cjk(char)


def _is_cjk(char: str) -> bool:
    code = ord(char)
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def names_in(found: Iterable[Sign]) -> set[str]:
    """Return everything that could be a name: as it is written, and with a single blank between words."""
    written = {candidate for sign in found for candidate in sign.candidates}
    return written | {_single_spaced(candidate) for candidate in written}


def addresses_in(found: Iterable[Sign]) -> list[str]:
    """Return the addresses, each once, the first few."""
    return list(dict.fromkeys(sign.address for sign in found if sign.address))[:MOST_ADDRESSES]


def resolved(found: Iterable[Sign], known: Mapping[str, Named], author_id: str) -> list[Mention]:
    """Return whose the names are, each person and name once; ``known`` are people by folded name.

    A name that several have is nobody's. Mentioning oneself says nothing.
    """
    mentions: dict[str, Mention] = {}
    for sign in found:
        if sign.address is not None:
            continue
        mention = _whose(sign, known)
        if mention is not None and mention.person_id != author_id:
            mentions.setdefault(mention.person_id or folded(mention.name), mention)
    return list(mentions.values())


def _whose(sign: Sign, known: Mapping[str, Named]) -> Mention | None:
    for candidate in sign.candidates:
        named = known.get(folded(candidate))
        if named is None:
            continue
        if named.number > 1:
            return Mention(candidate, MentionOutcome.AMBIGUOUS)
        return Mention(candidate, MentionOutcome.MENTIONED, named.person_id, named.display_name)
    name = _unknown(sign.candidates[0])
    return Mention(name, MentionOutcome.UNKNOWN) if name else None


def _unknown(text: str) -> str:
    """Return what begins ``text`` as a name that nobody has, empty where no word does.

    That is its first word and, where both have a capital, those after it: nothing else tells how far a
    name goes that one does not know.
    """
    word = _WORD.match(text)
    if word is None:
        return ""
    end = word.end()
    if word[0][0].isupper():
        while (further := _FURTHER.match(text, end)) and further[1][0].isupper():
            end = further.end()
    return _single_spaced(text[:end])[:_MOST_TOLD].rstrip()


def pieces(note: str, mentioned: Sequence[tuple[str, str]]) -> list[Piece]:
    """Return a note in parts: ``mentioned`` (name as written, person) stand out, addresses are shortened.

    Put together the texts are the note, but for the addresses that it invites.
    """
    parts: list[Piece] = []
    at = 0
    by_length = sorted(mentioned, key=lambda one: len(one[0]), reverse=True)
    for sign in signs(note):
        begin = sign.start + 1
        if sign.address is not None:
            local, _, host = sign.address.partition("@")
            parts += [Piece(note[at : sign.start]), Piece(f"@{local[:1]}…@{host}")]
            at = begin + len(sign.address)
            continue
        own = next((one for one in by_length if one[0] in sign.candidates), None)
        if own is not None:
            parts += [Piece(note[at : sign.start]), Piece(note[sign.start] + own[0], own[1])]
            at = begin + len(own[0])
    parts.append(Piece(note[at:]))
    return [part for part in parts if part.text]
