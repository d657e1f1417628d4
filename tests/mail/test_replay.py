"""The dispatch process of yesterday replays on the code of today; changed code is found out."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from contracts.mail import DISPATCH_WORKFLOW_ID, DispatchOrder
from engine.sandbox import Sandbox
from workflows.mail import MailDispatchWorkflow

RECORDED = Path(__file__).parents[1] / "replay" / "histories" / "mail" / "dispatch.json"


@workflow.defn(name="MailDispatchWorkflow", sandboxed=False)
class SleepsFirst:
    """What an incompatible change would be."""

    @workflow.run
    async def run(self, order: DispatchOrder) -> None:
        await workflow.sleep(order.round_seconds)


async def replay(kind: type) -> None:
    history = WorkflowHistory.from_json(DISPATCH_WORKFLOW_ID, RECORDED.read_text())
    await Replayer(
        workflows=[kind], data_converter=pydantic_data_converter, workflow_runner=Sandbox()
    ).replay_workflow(history)


async def test_a_recorded_process_replays() -> None:
    await replay(MailDispatchWorkflow)


async def test_an_incompatible_change_is_found() -> None:
    with pytest.raises(NondeterminismError):
        await replay(SleepsFirst)
