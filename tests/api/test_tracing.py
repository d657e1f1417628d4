"""What was asked of the API is found again in the worker's log, by the id of the request."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from temporalio.client import Client

from domain.people import Role
from settings import Settings
from tests.support.vetting_api import Api, complete_draft, running_api


@pytest.fixture
async def api(engine_settings: Settings, temporal_client: Client) -> AsyncIterator[Api]:
    async with running_api(engine_settings, temporal_client) as running:
        yield running


async def test_each_transition_names_the_request_that_asked_for_it(api: Api) -> None:
    lin, ann = await api.user("lin"), await api.user("ann", Role.REVIEWER)
    draft = await complete_draft(lin)
    path = f"/applications/{draft['id']}"
    with capture_logs([merge_contextvars]) as logged:
        answers = [
            await lin.post(f"{path}/submit", headers={"X-Request-Id": "submitted-0001"}),
            await ann.post(f"{path}/claim"),
            await ann.post(f"{path}/review", {"decision": "reject", "reasons": ["content_sample_weak"]}),
        ]
        assert {answer.status_code for answer in answers} <= {200, 201}, [one.text for one in answers]
        # An alarm is nobody's request.
        await api.skip(draft["id"], timedelta(days=4))
    worker = [line for line in logged if line["event"] == "transition"]
    asked = [answer.headers["x-request-id"] for answer in answers]
    assert asked[0] == "submitted-0001"
    assert [line.get("request_id") for line in worker[: len(asked)]] == asked
    assert {line.get("request_id") for line in worker[len(asked) :]} == {None}
    assert len(worker) > len(asked)
    told = [line for line in logged if line["event"] == "request" and "process_id" in line]
    assert [line["request_id"] for line in told] == asked
    assert {line["process_id"] for line in [*told, *worker]} == {f"application/{draft['id']}"}
