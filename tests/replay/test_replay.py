"""Stored histories of every path replay on the workflow as it is: processes that run today go on tomorrow."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from engine.observe import Observer, WorkerMetrics
from engine.sandbox import Sandbox
from tests.replay import hasty
from tests.replay.record import HISTORIES, ROOMS
from tests.workflows import paths_conflict, paths_late, paths_later, paths_review
from workflows.campaigns import CampaignWorkflow
from workflows.mail import MailDispatchWorkflow
from workflows.rehearsals import RehearsalWorkflow
from workflows.vetting import VettingWorkflow

assert paths_conflict
assert paths_late
assert paths_later
assert paths_review
WORKFLOWS: dict[str, type] = {
    "vetting": VettingWorkflow,
    "campaign": CampaignWorkflow,
    "rehearsal": RehearsalWorkflow,
    "mail": MailDispatchWorkflow,
}
HASTY: dict[str, type] = {
    "vetting": hasty.Vetting,
    "campaign": hasty.Campaign,
    "rehearsal": hasty.Rehearsal,
    "mail": hasty.MailDispatch,
}
STORED = sorted(path for room in ROOMS for path in (HISTORIES / room).glob("*.json"))
MEGABYTE = 1024 * 1024


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def history_of(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


def replayer(*workflows: type) -> Replayer:
    return Replayer(
        workflows=workflows,
        data_converter=pydantic_data_converter,
        workflow_runner=Sandbox(),
        interceptors=[Observer(WorkerMetrics())],
    )


def test_every_path_has_its_history() -> None:
    assert {room.name for room in HISTORIES.iterdir()} == set(ROOMS)
    for room, walks in ROOMS.items():
        assert {path.stem for path in STORED if path.parent.name == room} == set(walks)
    assert sum(path.stat().st_size for path in STORED) < 5 * MEGABYTE


@pytest.mark.parametrize("path", STORED, ids=name_of)
async def test_stored_history_replays(path: Path) -> None:
    await replayer(WORKFLOWS[path.parent.name]).replay_workflow(history_of(path))


@pytest.mark.parametrize("path", STORED, ids=name_of)
async def test_an_incompatible_change_is_noticed(path: Path) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(HASTY[path.parent.name]).replay_workflow(history_of(path))


def events_of(room: str, name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((HISTORIES / room / f"{name}.json").read_text())["events"]
    return events


def test_runs_that_went_on_as_new_and_what_was_turned_away_are_among_them() -> None:
    """Their histories say of themselves what their names say."""
    for room in ("vetting", "campaign"):
        begin = events_of(room, "went_on_as_new")[0]["workflowExecutionStartedEventAttributes"]
        assert begin["continuedExecutionRunId"]
        types = [event["eventType"] for event in events_of(room, "turned_away")]
        assert types[-1] == "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"
        assert "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED" in types
    for room, name in (("vetting", "goes_on_as_new"), ("mail", "dispatch")):
        end = events_of(room, name)[-1]
        assert end["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW"


def bulk_of(name: str) -> list[str]:
    """The bulk work of a campaign from its settlement on, in the order in which it was begun."""
    scheduled = [event.get("activityTaskScheduledEventAttributes") for event in events_of("campaign", name)]
    kinds = [one["activityType"]["name"] for one in scheduled if one]
    return kinds[kinds.index("campaigns.settle") :]


def test_members_told_after_the_settlement_and_with_their_payment_are_among_them() -> None:
    """Campaigns whose settlement began before go on to tell each member with the payment."""
    for name in ("settled", "cancelled_in_the_middle"):
        assert bulk_of(name) == ["campaigns.settle", "campaigns.report", "campaigns.tell"]
    for name in ("told_with_the_payment", "cancelled_told_with_the_payment"):
        assert bulk_of(name) == ["campaigns.settle", "campaigns.report"]


def payloads(value: Any) -> list[str]:
    """Every payload of a history, decoded."""

    if isinstance(value, dict):
        own = [base64.b64decode(value["data"]).decode()] if isinstance(value.get("data"), str) else []
        return own + [text for inner in value.values() for text in payloads(inner)]
    return [text for inner in value for text in payloads(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize("path", STORED, ids=name_of)
def test_no_history_holds_personal_data(path: Path) -> None:
    """Neither address, name, note nor anything typed into the form; and nothing of the machine."""
    text = path.read_text()
    everything = "\n".join([text, *payloads(json.loads(text))])
    assert len(everything) > len(text)
    for typed in (
        "people.example",
        "@",
        "Shown ",
        "A note.",
        "Please look again.",
        "cooking circle",
        "Guild of",
        "book-keeping",
        "Write a note.",
    ):
        assert typed not in everything
    assert '"identity"' not in text
    assert "/home/" not in text
    assert "site-packages" not in text
