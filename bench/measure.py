"""Two things measured in turn, and what came out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

Measure = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Check:
    """A condition beside a ratio that must hold."""

    what: str
    found: str
    met: bool


@dataclass(frozen=True)
class Result:
    """One line of the table: ``ours`` against ``theirs``, pair by pair, in ``unit``.

    ``bound`` is the target of the ratio: at least (for rates) or, with ``at_most``, at most (for costs).
    """

    row: int
    what: str
    against: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    bound: float | None = None
    at_most: bool = False
    checks: list[Check] = field(default_factory=list)
    note: str = ""
    missing: str = ""

    @property
    def ratio(self) -> float:
        """The median of the ratios of the pairs: load from outside meets both halves of a pair alike."""
        return median(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def met(self) -> bool | None:
        """Whether ratio and checks hold; None where nothing was asked or measured."""
        if self.missing:
            return None
        held = [check.met for check in self.checks]
        if self.ours and self.bound is not None:
            held.append(self.ratio <= self.bound if self.at_most else self.ratio >= self.bound)
        return all(held) if held else None

    def document(self) -> dict[str, Any]:
        """Return everything measured, for the JSON file."""
        found: dict[str, Any] = {"row": self.row, "what": self.what, "against": self.against}
        if self.missing:
            return found | {"missing": self.missing}
        if self.ours:
            found |= {
                "unit": self.unit,
                "ours": [round(value, 4) for value in self.ours],
                "theirs": [round(value, 4) for value in self.theirs],
                "ratio": round(self.ratio, 3),
                "target": self.target,
            }
        checks = [{"what": c.what, "found": c.found, "met": c.met} for c in self.checks]
        return found | {"checks": checks, "met": self.met, "note": self.note}

    @classmethod
    def from_document(cls, found: dict[str, Any]) -> Self:
        """Return what ``document`` wrote."""
        sign, _, bound = found.get("target", "").partition(" ")
        return cls(
            found["row"],
            found["what"],
            found["against"],
            found.get("unit", ""),
            found.get("ours", []),
            found.get("theirs", []),
            float(bound) if sign in {"≤", "≥"} else None,
            sign == "≤",
            [Check(**check) for check in found.get("checks", [])],
            found.get("note", ""),
            found.get("missing", ""),
        )

    @property
    def target(self) -> str:
        """The bound as it is printed."""
        if self.bound is None:
            return "for comparison"
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


async def in_turn(*measures: Measure, rounds: int, warm_up: bool = True) -> list[list[float]]:
    """Measure A B A B … and return the values of each; a first round that is thrown away warms up."""
    found: list[list[float]] = [[] for _ in measures]
    for number in range(-1 if warm_up else 0, rounds):
        for values, measure in zip(found, measures, strict=True):
            value = await measure()
            if number >= 0:
                values.append(value)
    return found
