"""The vetting workflow with one more update, which does nothing: what a decision is measured against."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.vetting import VettingInput, VettingResult
    from workflows.vetting import VettingWorkflow


@workflow.defn(name="Vetting")
class VettingWithNoop(VettingWorkflow):
    """Vetting, and nothing."""

    @workflow.init
    def __init__(self, given: VettingInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: VettingInput) -> VettingResult:
        """Run vetting as it is."""
        return await super().run(given)

    @workflow.update
    async def nothing(self) -> None:
        """Do nothing."""
