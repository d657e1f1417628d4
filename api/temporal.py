"""Calls to Temporal from a request: bounded in time, and told apart from refusals when it is away."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio.client import RPCError, RPCTimeoutOrCancelledError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCStatusCode

from api.problems import Problem

T = TypeVar("T")

_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.INTERNAL,
    }
)
RETRY_AFTER_SECONDS = 5


async def bounded(call: Awaitable[T], seconds: float) -> T:
    """Return what ``call`` returns within ``seconds``.

    Raises ``Problem`` (503 ``temporal_unavailable``) if Temporal, or the worker that an update needs, does
    not answer. Whatever Temporal did answer, a refusal or «no such workflow», comes out as it is.
    """
    try:
        async with asyncio.timeout(seconds):
            return await call
    except (TimeoutError, RPCTimeoutOrCancelledError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise unavailable() from error
    except RPCError as error:
        if error.status in _AWAY:
            raise unavailable() from error
        raise
    except RuntimeError as error:
        # The SDK's word for «could not connect» of a client that connects at its first call.
        if "connect" in str(error).casefold():
            raise unavailable() from error
        raise


def unavailable() -> Problem:
    """Return the problem that asks to try again soon."""
    return Problem(
        "temporal_unavailable",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
