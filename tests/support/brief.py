"""The brief run: what a change is most likely to break, in minutes instead of a quarter of an hour.

It leaves out what is marked ``slow``, and runs what can be run on both kinds of database on one of them:
about half of it on each, and always the same half.
"""

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

DATABASES: Final = ("sqlite", "postgresql")
SAID: Final = (
    "brief run: without what is marked slow, and on one of the two databases each; "
    "`CI=true make test` runs everything, and so does naming tests (TESTS=tests/db)"
)


def left_out(name: str, parameters: Mapping[str, Any], *, slow: bool) -> bool:
    """Tell whether the brief run does without the test of that node id and with those parameters."""
    kind = parameters.get("database_url")
    if slow or kind is None:
        return slow
    return bool(kind != DATABASES[crc32(name.replace(kind, "").encode()) % len(DATABASES)])
