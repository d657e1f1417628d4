"""The ground that all other tests stand on."""

from pathlib import Path

import pytest

from db.database import Database
from db.migrate import is_current
from tests.support.missing import missing
from tests.support.shared import shared_service


async def test_every_database_is_migrated_and_answers(database_url: str) -> None:
    async with Database.connect(database_url) as database:
        await database.ping()
    assert is_current(database_url)


class Recorded:
    """A service that writes down that it was stopped."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        log.append("started")

    def describe(self) -> dict[str, str]:
        return {"name": "recorded"}

    def stop(self) -> None:
        self._log.append("stopped")


def test_a_shared_service_is_started_once_and_stopped_last(tmp_path: Path) -> None:
    log: list[str] = []
    with shared_service(tmp_path, "recorded", lambda: Recorded(log)) as first:
        with shared_service(tmp_path, "recorded", lambda: Recorded(log)) as second:
            assert first == second == {"name": "recorded"}
        assert log == ["started"]
    assert log == ["started", "stopped"]


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_what_is_missing_is_told_and_fails_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="none here"):
        missing("POSTGRESQL", LookupError("none here"))
