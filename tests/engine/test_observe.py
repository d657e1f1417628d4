"""What a worker counts of its activities."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from engine.observe import Observer, WorkerMetrics


class Ending(ActivityInboundInterceptor):
    """An activity that ends in one way."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if self.error:
            raise self.error
        return "value"


ENDS: dict[str, Exception | None] = {
    "done": None,
    "refused": ApplicationError("no", type="refused"),
    "failed": OSError("disk"),
}


@pytest.mark.parametrize("outcome", ENDS)
async def test_every_try_is_counted_by_how_it_ended(outcome: str) -> None:
    metrics, error = WorkerMetrics(), ENDS[outcome]
    observed = Observer(metrics).intercept_activity(Ending(error))
    given = ExecuteActivityInput(fn=print, args=[], executor=None, headers={})
    environment = ActivityEnvironment()
    if error is None:
        assert await environment.run(observed.execute_activity, given) == "value"
    else:
        with pytest.raises(type(error)):
            await environment.run(observed.execute_activity, given)
    name = environment.info.activity_type
    for end in ENDS:
        found = metrics.registry.get_sample_value(
            "kameng_activities_total", {"activity": name, "outcome": end}
        )
        assert found == (1.0 if end == outcome else None)
    assert metrics.registry.get_sample_value("kameng_activity_seconds_count", {"activity": name}) == 1.0
