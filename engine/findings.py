"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding is to be taken: `warn` works but is not right yet, `fail` does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, how it is, and what to do if it is not well."""

    level: Level
    what: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" → {self.advice}" if self.advice else ""
        return f"{self.level:<5} {self.what}: {self.text}{advice}"


def ok(what: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, what, text)


def warn(what: str, text: str, advice: str) -> Finding:
    """Return a finding that works, but not as it should."""
    return Finding(Level.WARN, what, text, advice)


def fail(what: str, text: str, advice: str) -> Finding:
    """Return a finding that keeps Kameng from working."""
    return Finding(Level.FAIL, what, text, advice)
