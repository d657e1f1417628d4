import random

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from engine.sandbox import Sandbox


@workflow.defn(sandboxed=True)
class Gambler:
    """Does what a replay would not do again in the same way."""

    @workflow.run
    async def run(self) -> float:
        return random.random()


async def test_what_a_replay_would_not_repeat_is_still_refused(
    temporal_client: Client, task_queue: str
) -> None:
    async with Worker(
        temporal_client,
        task_queue=task_queue,
        workflows=[Gambler],
        workflow_runner=Sandbox(),
        workflow_failure_exception_types=[RestrictedWorkflowAccessError],
    ):
        with pytest.raises(WorkflowFailureError) as refused:
            await temporal_client.execute_workflow(Gambler.run, id="gambler", task_queue=task_queue)
    assert "random" in str(refused.value.cause)


async def test_no_payload_wants_to_know_what_it_belongs_to(temporal_client: Client) -> None:
    converter = temporal_client.data_converter
    # Else `Sandbox` must let the SDK's questions through: docs/decisions/0014.
    assert converter.with_context(WorkflowSerializationContext("here", "application/1")) is converter
    assert converter.payload_codec is None
    assert converter.external_storage is None
