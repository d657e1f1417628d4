"""The process that keeps mail moving: it only sees to it that some worker always watches the queue."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.mail import MailActivities
    from contracts.mail import DeliverOrder, DispatchOrder

SPARE = timedelta(minutes=2)
UNTIL_DONE = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@workflow.defn
class MailDispatchWorkflow:
    """Runs for ever under one id (``contracts.mail.DISPATCH_WORKFLOW_ID``), continuing as new."""

    @workflow.run
    async def run(self, order: DispatchOrder) -> None:
        """Order one ``deliver`` after another; what becomes of a mail is in its row, never here."""
        for _ in range(order.rounds):
            await workflow.execute_activity_method(
                MailActivities.deliver,
                DeliverOrder(seconds=order.round_seconds),
                start_to_close_timeout=timedelta(seconds=order.round_seconds) + SPARE,
                heartbeat_timeout=timedelta(seconds=order.heartbeat_seconds),
                retry_policy=UNTIL_DONE,
            )
            if workflow.info().is_continue_as_new_suggested():
                break
        workflow.continue_as_new(order)
