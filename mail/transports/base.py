"""What every transport promises, and what an attempt can come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from contracts.mail import Letter
from mail.rendering import Rendered, Renderer


class Result(Enum):
    """What one attempt to hand a mail over came to."""

    SENT = "sent"
    POSTPONED = "postponed"
    RETRY = "retry"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one mail. ``error`` is a short code without personal data.

    ``POSTPONED`` means that this was no attempt: the other side asked to wait, or an earlier mail of the
    batch met with something that kept this one from being offered. ``retry_at`` (UTC) is when the other
    side asked to be called again; nothing is sent before. ``UNKNOWN`` means that the mail may or may not
    have left.
    """

    mail_id: str
    result: Result
    error: str | None = None
    retry_at: datetime | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """What is true of handing over.

    ``traceless``: an attempt without a record left nothing behind. ``grace``: how long the other
    side's events may still tell what became of an attempt whose answer was lost. ``keeps_secrets``:
    the mail can still be read in the outbox, so its secret stays sealed instead of being wiped.
    """

    traceless: bool = False
    grace: timedelta = timedelta(0)
    keeps_secrets: bool = False


class Transport(Protocol):
    """A way for mail to leave."""

    @property
    def hand_over(self) -> HandOver: ...

    @property
    def batch_size(self) -> int: ...

    async def send(self, batch: Sequence[Letter]) -> list[Outcome]:
        """Hand ``batch`` over; return one outcome for each mail. Never raises for a single mail's sake."""
        ...


def render_or_fail(renderer: Renderer, letter: Letter) -> Rendered | Outcome:
    """Render ``letter``; what cannot be rendered today cannot tomorrow either, so that is final."""
    try:
        return renderer.render(letter)
    except Exception as error:
        return Outcome(letter.id, Result.FAILED, f"render: {type(error).__name__}")
