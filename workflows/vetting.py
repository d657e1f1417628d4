"""The workflow of one application, as the worker registers it; what it does is in ``vetting_process``."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.vetting import VettingInput, VettingResult
    from workflows.vetting_process import VettingProcess


@workflow.defn(name="Vetting")
class VettingWorkflow(VettingProcess):
    """One application in vetting; its id is ``application/{id}``."""

    @workflow.init
    def __init__(self, given: VettingInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: VettingInput) -> VettingResult:
        """Carry the application on until it is closed."""
        return await self.carry_on(given)
