"""A workflow that old processes would not survive; apart, because the sandbox imports its module."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.vetting import VettingInput, VettingResult
    from workflows.vetting import VettingWorkflow


@workflow.defn(name="Vetting")
class Hasty(VettingWorkflow):
    """A change that old processes would not survive: a timer of its own before anything else."""

    @workflow.init
    def __init__(self, given: VettingInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: VettingInput) -> VettingResult:
        await workflow.sleep(timedelta(seconds=1))
        return await super().run(given)
