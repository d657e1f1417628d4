"""The base of everything that crosses a process border, and the ids of processes."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """An immutable message; fields may be added later with defaults, so that old histories still read."""

    model_config = ConfigDict(frozen=True)


def application_process_id(application_id: str) -> str:
    """Return the workflow id of an application's process."""
    return f"application/{application_id}"


def campaign_process_id(campaign_id: str) -> str:
    """Return the workflow id of a campaign's process."""
    return f"campaign/{campaign_id}"


VETTING_QUEUE = "vetting"
CAMPAIGN_QUEUE = "campaigns"
MAIL_QUEUE = "mail"
REHEARSAL_QUEUE = "rehearsals"


def task_queue(prefix: str, name: str) -> str:
    """Return the full name of a task queue; the prefix keeps several communities on one server apart."""
    return f"{prefix}-{name}"
