"""Workflows that old processes would not survive; apart, because the sandbox imports their module.

Each does one thing before anything else that the histories know nothing of: it waits for a timer.
"""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.campaigns import CampaignInput, CampaignResult
    from contracts.mail import DispatchOrder
    from contracts.rehearsals import RehearsalInput
    from contracts.vetting import VettingInput, VettingResult
    from workflows.campaigns import CampaignWorkflow
    from workflows.mail import MailDispatchWorkflow
    from workflows.rehearsals import RehearsalWorkflow
    from workflows.vetting import VettingWorkflow

A_SECOND = timedelta(seconds=1)


@workflow.defn(name="Vetting")
class Vetting(VettingWorkflow):
    """Vetting, with a timer of its own."""

    @workflow.init
    def __init__(self, given: VettingInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: VettingInput) -> VettingResult:
        await workflow.sleep(A_SECOND)
        return await super().run(given)


@workflow.defn(name="Campaign")
class Campaign(CampaignWorkflow):
    """A campaign, with a timer of its own."""

    @workflow.init
    def __init__(self, given: CampaignInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: CampaignInput) -> CampaignResult:
        await workflow.sleep(A_SECOND)
        return await super().run(given)


@workflow.defn(name="Rehearsal")
class Rehearsal(RehearsalWorkflow):
    """A rehearsal, with a timer of its own."""

    @workflow.run
    async def run(self, given: RehearsalInput) -> None:
        await workflow.sleep(A_SECOND)
        await super().run(given)


@workflow.defn(name="MailDispatchWorkflow")
class MailDispatch(MailDispatchWorkflow):
    """The dispatch of mail, with a timer of its own."""

    @workflow.run
    async def run(self, order: DispatchOrder) -> None:
        await workflow.sleep(A_SECOND)
        await super().run(order)
