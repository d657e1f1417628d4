"""Whether anybody takes work from a task queue."""

from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

LATELY: Final = timedelta(seconds=90)
"""Who waits for work asks anew after a minute at most; the server lists those who are gone for minutes."""


async def polling(
    client: Client, queue: str, lately: timedelta = LATELY, *, within: timedelta = timedelta(seconds=5)
) -> int:
    """Return how many have asked ``queue`` for workflow tasks ``lately``.

    Raises ``RPCError``, also where no answer came ``within`` that time.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=within)
    since = datetime.now(UTC) - lately
    return sum(poller.last_access_time.ToDatetime(tzinfo=UTC) > since for poller in answer.pollers)
