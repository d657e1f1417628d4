"""Whether this process lives, whether it can work, and its numbers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from typing import Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from temporalio.client import RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from api.dependencies import PartsDep
from api.envelope import locale_of
from api.parts import Parts
from api.reference import PAGE_POLICY, page
from api.security import allow
from contracts.base import VETTING_QUEUE, task_queue
from contracts.mail import DISPATCH_WORKFLOW_ID
from db import migrate
from db.errors import DatabaseUnavailable
from db.urls import sqlite_file_of
from engine.workers import polling

router = APIRouter(tags=["operations"], dependencies=[allow.anyone])

CHECK_SECONDS = 2.0
# Temporal is told a little less: a call that is cancelled instead leaves an error behind in the log.
_RPC_TIMEOUT = timedelta(seconds=0.9 * CHECK_SECONDS)
_NO_DISPATCH = "not running; start a worker"
_LATE = f"no answer within {CHECK_SECONDS:g} s"
_AWAY = "cannot be reached"
# The client's own end of waiting is told as a cancellation.
_TIMED_OUT = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Every dependency by name, ``ok`` or what is wrong with it.

    ``degraded``: this process can work, but nobody takes what it hands to Temporal.
    """

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, str]


@router.get("/healthz", summary="Is this process alive")
async def healthz() -> Health:
    """Answer as long as the process does; asks nothing of anybody else."""
    return Health()


@router.get(
    "/readyz",
    summary="Can this process work",
    responses={503: {"model": Readiness, "description": "A dependency does not answer"}},
)
async def readyz(parts: PartsDep, response: Response) -> Readiness:
    """Ask every dependency, each for at most two seconds; 503 if one fails without which nothing is served.

    Without a worker pages, drafts, votes and check-ins still are: a proxy must not take them away too.
    """
    asked = _NEEDED | _BEHIND
    results = await asyncio.gather(*(_bounded(check, parts) for check in asked.values()))
    checks = dict(zip(asked, results, strict=True))
    failed = {name for name, result in checks.items() if result != "ok"}
    if failed & _NEEDED.keys():
        response.status_code = 503
        return Readiness(status="unavailable", checks=checks)
    return Readiness(status="degraded" if failed else "ok", checks=checks)


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
async def metrics(parts: PartsDep) -> Response:
    """Return the counters of this process in Prometheus' text format."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/openapi.json", summary="This API as OpenAPI", response_class=JSONResponse)
async def openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", summary="This API in words", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """Return a page of the OpenAPI document that loads nothing from elsewhere."""
    content = page(request.app.openapi(), locale_of(request.scope))
    return HTMLResponse(content, headers={"Content-Security-Policy": PAGE_POLICY})


Check = Callable[[Parts], Awaitable[str]]


async def _bounded(check: Check, parts: Parts) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check(parts)
    except TimeoutError:
        return _LATE
    except RPCError as error:
        return _LATE if error.status in _TIMED_OUT else _AWAY
    except (DatabaseUnavailable, RuntimeError):
        return _AWAY
    except Exception as error:
        # Only its kind: a message could hold an address with a password in it.
        return type(error).__name__


async def _database(parts: Parts) -> str:
    file = sqlite_file_of(parts.settings.database_url)
    if file is not None and not await asyncio.to_thread(file.exists):
        # Who holds it open would go on writing to what nobody finds again.
        return "its file is gone"
    await parts.db.ping(seconds=CHECK_SECONDS)
    return "ok"


async def _migrations(parts: Parts) -> str:
    revision = await parts.db.read(migrate.current)
    return "ok" if revision == _newest_revision() else "run `kameng migrate`"


@cache
def _newest_revision() -> str | None:
    return migrate.head()


async def _temporal(parts: Parts) -> str:
    serving = await parts.temporal.service_client.check_health(timeout=_RPC_TIMEOUT)
    return "ok" if serving else "not serving"


async def _mail_dispatch(parts: Parts) -> str:
    handle = parts.temporal.get_workflow_handle(DISPATCH_WORKFLOW_ID)
    try:
        found = await handle.describe(rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return _NO_DISPATCH
        raise
    return "ok" if found.status is WorkflowExecutionStatus.RUNNING else _NO_DISPATCH


async def _worker(parts: Parts) -> str:
    queue = task_queue(parts.settings.task_queue_prefix, VETTING_QUEUE)
    return (
        "ok"
        if await polling(parts.temporal, queue, within=_RPC_TIMEOUT)
        else "none takes work; start one: kameng worker"
    )


_NEEDED: dict[str, Check] = {
    "database": _database,
    "migrations": _migrations,
    "temporal": _temporal,
    "mail_dispatch": _mail_dispatch,
}
_BEHIND: dict[str, Check] = {"worker": _worker}
