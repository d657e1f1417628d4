"""Walk every path of vetting and keep the histories: `python -m tests.replay.record`.

Run it after a deliberate change of the workflow's commands that old processes need not survive; else
the stored histories have to replay, and a change that breaks them needs `workflow.patched`.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client

from db.migrate import upgrade
from domain.ids import new_id
from tests.support.temporal import SharedTemporal, new_namespace
from tests.support.vetting import community
from tests.workflows.paths import PATHS
from tests.workflows.test_vetting_paths import walk

HISTORIES = Path(__file__).parent / "histories" / "vetting"
# Who worked on it and where: nothing that a replay needs, and nothing that belongs into a repository.
# The flags in `sdkMetadata` stay: what a patch writes depends on them.
LEFT_OUT = {"identity", "stackTrace", "sdkName", "sdkVersion", "workerVersion", "historySizeBytes"}


def without_machine(value: Any) -> Any:
    """Return a history without what it says about the machine that it was made on."""
    if isinstance(value, dict):
        if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
            return {"kind": value["kind"], "name": "sticky"}
        return {key: without_machine(inner) for key, inner in value.items() if key not in LEFT_OUT}
    return [without_machine(inner) for inner in value] if isinstance(value, list) else value


async def record(name: str, client: Client, directory: Path) -> None:
    """Walk one path in a community of its own and store its history."""
    url = f"sqlite:///{directory / name}.db"
    await asyncio.to_thread(upgrade, url)
    async with community(url, client, f"record-{name}") as here:
        case, _ = await walk(here, name)
        await case.handle.result()
        history = await case.handle.fetch_history()
    store(name, json.loads(history.to_json()))
    print(f"{name}: {len(history.events)} events")


def store(name: str, history: dict[str, Any]) -> None:
    """Write a history, one event a line, so that a difference can be read."""
    events = without_machine(history["events"])
    lines = ",\n".join(json.dumps(event, separators=(",", ":"), sort_keys=True) for event in events)
    (HISTORIES / f"{name}.json").write_text(f'{{"events":[\n{lines}\n]}}\n')


async def record_all(address: str, directory: Path, names: list[str]) -> None:
    """Walk the paths one after the other."""
    client = await new_namespace(address, f"record-{new_id()}")
    for name in names:
        await record(name, client, directory)


def main() -> None:
    """Record the paths named on the command line, or all of them, leaving none of another name behind."""
    names = sys.argv[1:] or sorted(PATHS)
    HISTORIES.mkdir(exist_ok=True)
    if not sys.argv[1:]:
        for old in HISTORIES.glob("*.json"):
            old.unlink()
    with tempfile.TemporaryDirectory() as directory:
        server = SharedTemporal.start(Path(directory))
        try:
            asyncio.run(record_all(server.server.address, Path(directory), names))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
