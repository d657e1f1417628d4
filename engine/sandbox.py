"""The SDK's sandbox, which workflows run in, for payloads that are written the same wherever they go."""

from dataclasses import dataclass
from typing import Any

from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

_NOWHERE = StorageDriverStoreContext(target=None)


class _Instance(WorkflowInstance):
    """A workflow in its sandbox, which is not entered to ask what a payload belongs to."""

    def __init__(self, inside: WorkflowInstance) -> None:
        self._inside = inside

    def activate(self, act: Any) -> Any:
        return self._inside.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        del command_info

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        del command_info
        return _NOWHERE

    def get_info(self) -> Info:
        return self._inside.get_info()

    def get_thread_id(self) -> int | None:
        return self._inside.get_thread_id()


@dataclass(frozen=True)
class Sandbox(SandboxedWorkflowRunner):
    """Runs workflows in the sandbox; payloads must need no codec, no context and no storage outside.

    For each payload, and three times over, the SDK enters the sandbox to ask which command it belongs to,
    which only a converter with such parts wants to know: a quarter of a worker's processor time.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return a workflow for the worker to activate."""
        return _Instance(super().create_instance(det))
