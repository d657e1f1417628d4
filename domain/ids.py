"""Identifiers: time-ordered UUIDs as text, so that keyset pages follow creation order."""

import uuid_utils

_NAMESPACE = uuid_utils.UUID("6f0c3d1e-5b1e-5c59-9f0b-0a4f0c9a7b11")


def new_id() -> str:
    """Return a fresh UUIDv7 as 36 characters of text."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: str) -> str:
    """Return the same UUIDv5 for the same ``parts``: a repeated request names the same row."""
    return str(uuid_utils.uuid5(_NAMESPACE, "\x1f".join(parts)))
