"""The workflow of one campaign, as the worker registers it; what it does is in ``campaign_process``."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.campaigns import CampaignInput, CampaignResult
    from workflows.campaign_process import CampaignProcess


@workflow.defn(name="Campaign")
class CampaignWorkflow(CampaignProcess):
    """One campaign; its id is ``campaign/{id}``."""

    @workflow.init
    def __init__(self, given: CampaignInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: CampaignInput) -> CampaignResult:
        """Carry the campaign on until it has ended."""
        return await self.carry_on(given)
