"""The words of every language, read from ``<language>/LC_MESSAGES/*.po`` when first needed.

A message is named by a stable id (``reason.identity_unproven``), not by its English text: Chinese is
the first language here, and neither language is the key of the other. Placeholders are named,
``{count}``; a plural has the same id as its ``msgid_plural`` and takes its form from ``count``.
Enum values are named ``<family>.<value>``; the families stand in ``locales.words``.
"""

from locales.catalogue import Catalogue, MissingMessage, load, translate
from locales.words import FAMILIES, word

__all__ = ["FAMILIES", "Catalogue", "MissingMessage", "load", "translate", "word"]
