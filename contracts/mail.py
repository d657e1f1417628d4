"""What other rooms order from mail, and what its own process takes along."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.mail import MailStatus, MailTemplate, ProviderEvent

DISPATCH_WORKFLOW_ID = "mail/dispatch"


class MailRequest(BaseModel):
    """One mail to one person.

    ``key`` is unique for ever: asked for twice, the mail exists once. ``data`` holds codes, ids and
    ISO times in UTC only; names and notes are looked up by their ids when the mail is rendered, so
    that no personal data travels through a process. ``sealed_secret`` is what ``mail.sealing.Sealer``
    made of a sign-in token; an open secret never gets here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1, max_length=160)
    template: MailTemplate
    person_id: str
    process_id: str | None = Field(None, max_length=80)
    data: dict[str, Any] = Field(default_factory=dict)
    list_mail: bool = False
    sealed_secret: str | None = None


class RollMail(BaseModel):
    """One list mail to everyone, or every silent one, on the roll of a ballot.

    ``round`` tells apart mails of the same template about one ballot (the reminder before the first
    close and the one after an extension); it becomes part of every key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ballot_id: str
    process_id: str = Field(max_length=80)
    template: MailTemplate
    data: dict[str, Any]
    only_not_voted: bool = False
    round: int | None = None

    @property
    def key_prefix(self) -> str:
        """What every key of this fan-out begins with; the person's id follows."""
        middle = f"{self.template.value}:" if self.round is None else f"{self.template.value}:{self.round}:"
        return f"ballot/{self.ballot_id}:{middle}"


class Letter(BaseModel):
    """A row of ``mails`` with everything that rendering it takes.

    ``names`` maps the id of a person or an application that ``data`` mentions to a display name;
    ``note`` is the text behind ``data["note_id"]``. ``barred`` says that the reader may no longer be
    written to, whatever held when the mail was queued. ``claims`` numbers the claim that it is held under.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str | None
    to_email: str
    to_name: str
    locale: str
    time_zone: str
    template: str
    data: dict[str, Any]
    list_mail: bool
    status: MailStatus
    attempts: int
    claims: int = 0
    created_at: datetime
    postponed_since: datetime | None = None
    secret_sealed: bytes | None = None
    names: dict[str, str] = Field(default_factory=dict)
    note: str | None = None
    barred: bool = False


class ReportedEvent(BaseModel):
    """What a provider said about one mail; ``id`` is the provider's, the same however often it is told."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1, max_length=160)
    mail_id: str
    event: ProviderEvent
    occurred_at: datetime


class DispatchOrder(BaseModel):
    """How the dispatch process runs.

    ``rounds`` is the number of ``deliver`` calls between two continue-as-new, ``round_seconds`` how long
    each takes, ``heartbeat_seconds`` after how long a silent worker is given up and another goes on.
    """

    model_config = ConfigDict(frozen=True)

    rounds: int = Field(100, ge=1, le=1000)
    round_seconds: float = Field(300.0, gt=0, le=3600)
    heartbeat_seconds: float = Field(12.0, ge=1, le=120)


class DeliverOrder(BaseModel):
    """How long (seconds) one ``deliver`` watches the queue before it returns."""

    model_config = ConfigDict(frozen=True)

    seconds: float = Field(gt=0)


class DeliverReport(BaseModel):
    """How many mails one ``deliver`` handed over, put back for another try, and gave up."""

    model_config = ConfigDict(frozen=True)

    sent: int = 0
    retried: int = 0
    failed: int = 0
