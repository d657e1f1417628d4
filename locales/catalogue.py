"""The catalogue of one language: read from its .po files as they are, so that no compiled file is kept."""

from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from domain.people import DEFAULT_LOCALE, LOCALES

_ROOT = Path(__file__).parent


class MissingMessage(LookupError):
    """No message of that id in that language."""


class Catalogue:
    """The messages of one language."""

    def __init__(self, language: str, catalog: Catalog) -> None:
        self.language = language
        self._plural_index = Locale.parse(language, sep="-").plural_form
        self._catalog = catalog
        self._messages = {_id_of(m): m.string for m in catalog if m.id and m.string}

    @property
    def ids(self) -> frozenset[str]:
        """The ids of every message that has a text."""
        return frozenset(self._messages)

    def text(self, msgid: str, **values: Any) -> str:
        """Return the message with ``values`` put in; ``count`` also chooses the plural form.

        Raises ``MissingMessage`` for an unknown id, ``KeyError`` for a value that is not given.
        """
        found = self._messages.get(msgid)
        if found is None:
            raise MissingMessage(f"{self.language}: {msgid}")
        if isinstance(found, tuple | list):
            found = found[self._form(len(found), values["count"])]
        return found.format(**values) if values else found

    def _form(self, forms: int, count: int) -> int:
        """Index of the plural form; of the two languages here one has one form, English two."""
        return 0 if forms == 1 or self._plural_index(count) == "one" else 1


def _id_of(message: Any) -> str:
    return str(message.id[0] if isinstance(message.id, tuple | list) else message.id)


def language_of(locale: str) -> str:
    """Return the language of Kameng that serves a reader of ``locale``; the default one for others."""
    wanted = locale.replace("_", "-")
    if wanted in LOCALES:
        return wanted
    base = wanted.split("-")[0].casefold()
    return next((known for known in LOCALES if known.split("-")[0] == base), DEFAULT_LOCALE)


@cache
def load(language: str) -> Catalogue:
    """Return the catalogue of ``language`` (one of ``domain.people.LOCALES``), read once."""
    identifier = language.replace("-", "_")
    every = Catalog(locale=identifier)
    for path in sorted((_ROOT / identifier / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=identifier, abort_invalid=True):
                if message.id:
                    every[message.id] = message
    return Catalogue(language, every)


def translate(locale: str, msgid: str, **values: Any) -> str:
    """Return message ``msgid`` in the language that serves ``locale``, with ``values`` put in."""
    return load(language_of(locale)).text(msgid, **values)
