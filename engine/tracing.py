"""The id of a request on its way: from the API's log lines to those of the worker that carries it out.

It goes as a header of the update that the request sends, and of the activities that the update orders.
What a process does later by itself, at an alarm, is nobody's request and carries none.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import (
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowUpdateHandle,
)
from temporalio.worker import (
    HandleUpdateInput,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

_HEADER: Final = "kameng-request-id"
_ENCODING: Final = {"encoding": b"binary/plain"}

Headers = Mapping[str, Payload]


def request_of(headers: Headers) -> dict[str, str]:
    """Return what log lines say of the request behind ``headers``: its id, or nothing."""
    sent = headers.get(_HEADER)
    return {} if sent is None else {"request_id": sent.data.decode("ascii", "replace")}


def _carrying(headers: Headers) -> Headers:
    """Return ``headers`` with the id of the request that is being served; as they are outside of one."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is None:
        return headers
    return {**headers, _HEADER: Payload(metadata=_ENCODING, data=request_id.encode())}


class RequestIds(ClientInterceptor):
    """Sends the id of the request along with the updates that it asks for."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Wrap the client's calls."""
        return _Asking(next)


class _Asking(OutboundInterceptor):
    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        input.headers = _carrying(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        update = input.update_workflow_input
        update.headers = _carrying(update.headers)
        return await super().start_update_with_start_workflow(input)


class TracedWorkflow(WorkflowInboundInterceptor):
    """Lets an update say whose request it serves: in the workflow's log, and to the activities it orders."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Wrap what the workflow asks for."""
        super().init(_TracedOrders(outbound))

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        """Bind the id for as long as the update's own task lives."""
        structlog.contextvars.bind_contextvars(**request_of(input.headers))
        return await super().handle_update_handler(input)


class _TracedOrders(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        input.headers = _carrying(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        input.headers = _carrying(input.headers)
        return super().start_local_activity(input)
