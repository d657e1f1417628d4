"""Starting the process that dispatches mail; every worker does so when it starts, and one runs."""

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from contracts.mail import DISPATCH_WORKFLOW_ID, DispatchOrder
from workflows.mail import MailDispatchWorkflow


async def ensure_mail_dispatch(
    client: Client, task_queue: str, order: DispatchOrder | None = None
) -> WorkflowHandle[MailDispatchWorkflow, None]:
    """Start the dispatch on ``task_queue`` unless it runs already; return its handle."""
    return await client.start_workflow(
        MailDispatchWorkflow.run,
        order or DispatchOrder(),
        id=DISPATCH_WORKFLOW_ID,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
