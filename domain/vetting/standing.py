"""What somebody was on the way of an application: provisional leader, certified leader, and until when."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from domain.vetting.terms import ReasonCode, Status


class Standing(StrEnum):
    """What a span of time was spent as."""

    PROVISIONAL = "provisional"
    CERTIFIED = "certified"


class Told(Protocol):
    """A line of the timeline: when (UTC), what, and with which particulars."""

    @property
    def at(self) -> datetime: ...

    @property
    def code(self) -> str: ...

    @property
    def detail(self) -> Mapping[str, Any]: ...


class Span(NamedTuple):
    """A time as a leader, ``until`` None while it lasts; ``ended_by`` is what ended it, with its reasons."""

    standing: Standing
    since: datetime
    until: datetime | None = None
    ended_by: Status | None = None
    reasons: tuple[ReasonCode, ...] = ()


_ENDS: Final = {
    "certified": Status.CERTIFIED,
    "became_ordinary_creator": Status.ORDINARY_CREATOR,
    "withdrawn": Status.WITHDRAWN,
    "expired": Status.EXPIRED,
}
CODES: Final = frozenset({*_ENDS, "probation_started", "appeal_overturned"})
"""The lines of the timeline that begin or end a span."""


def spans(entries: Iterable[Told]) -> list[Span]:
    """Return the spans that the ``entries`` of one application tell of, oldest first.

    An extension goes on with the same span; a failed probation that an appeal brought back is two.
    """
    found: list[Span] = []
    open_span: Span | None = None
    for entry in entries:
        if open_span is None and _begins(entry):
            open_span = Span(Standing.PROVISIONAL, entry.at)
        elif open_span is not None and entry.code in _ENDS:
            reasons = tuple(ReasonCode(reason) for reason in entry.detail.get("reasons", ()))
            found.append(open_span._replace(until=entry.at, ended_by=_ENDS[entry.code], reasons=reasons))
            open_span = Span(Standing.CERTIFIED, entry.at) if entry.code == "certified" else None
    return found if open_span is None else [*found, open_span]


def _begins(entry: Told) -> bool:
    if entry.code == "appeal_overturned":
        return entry.detail.get("back_to") == Status.PROBATION.value
    return entry.code == "probation_started"
