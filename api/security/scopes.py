"""What an API token may be used for; never more than its person may do."""

from enum import StrEnum


class Scope(StrEnum):
    """A right that a token carries, chosen when it is made."""

    READ = "read"
    WRITE = "write"
    CONTRIBUTIONS_WRITE = "contributions:write"
