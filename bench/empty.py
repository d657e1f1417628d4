"""Workflows that do nothing, to measure against. Nothing is imported that a workflow of ours would add."""

from datetime import timedelta

from temporalio import workflow


@workflow.defn(name="Empty")
class EmptyWorkflow:
    """Started by an update that orders one empty activity; then it ends."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self) -> None:
        """Wait for the update."""
        await workflow.wait_condition(lambda: self._done)

    @workflow.update
    async def submit(self) -> None:
        """Order the activity, then let the process end."""
        await workflow.execute_activity("nothing", start_to_close_timeout=timedelta(seconds=20))
        self._done = True


@workflow.defn(name="Waiting")
class WaitingWorkflow:
    """Waits for a deadline, as a process does between two steps."""

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.sleep(timedelta(days=3))

    @workflow.query
    def status(self) -> bool:
        """Say that it is there."""
        return True
