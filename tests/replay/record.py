"""Walk every path of every process and keep the histories: `python -m tests.replay.record [ROOM [PATH …]]`.

Run it after a deliberate change of the workflow's commands that old processes need not survive; else
the stored histories have to replay, and a change that breaks them needs `workflow.patched`.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHistory

from contracts.rehearsals import rehearsal_process_id
from db.migrate import upgrade
from domain.ids import new_id
from tests.replay import further
from tests.support.rehearsals import rehearsing
from tests.support.temporal import SharedTemporal, new_namespace
from tests.support.vetting import community
from tests.workflows import campaign_paths, rehearsal_paths
from tests.workflows.paths import PATHS
from tests.workflows.test_campaign import begun
from tests.workflows.test_vetting_paths import walk

HISTORIES = Path(__file__).parent / "histories"
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


async def walked_vetting(name: str, client: Client, url: str, queue: str) -> WorkflowHistory:
    """Walk one path of vetting in a community of its own and return its history."""
    async with community(url, client, queue) as here:
        case, _ = await walk(here, name)
        await case.handle.result()
        return await case.handle.fetch_history()


async def walked_campaign(name: str, client: Client, url: str, queue: str) -> WorkflowHistory:
    """Walk one path of a campaign and return its history."""
    async with begun(client, url, queue, name) as case:
        await campaign_paths.PATHS[name].walk(case)
        await case.handle.result()
        return await case.handle.fetch_history()


async def walked_rehearsal(name: str, client: Client, url: str, queue: str) -> WorkflowHistory:
    """Walk one path of a rehearsal and return its history."""
    path = rehearsal_paths.PATHS[name]
    async with rehearsing(url, client, queue, path.stage()) as here:
        rehearsal_id = await path.walk(here)
        return await client.get_workflow_handle(rehearsal_process_id(rehearsal_id)).fetch_history()


Walk = Callable[[Client, str, str], Awaitable[WorkflowHistory]]


def walks_of(
    paths: Iterable[str], walked: Callable[[str, Client, str, str], Awaitable[WorkflowHistory]]
) -> dict[str, Walk]:
    """Return the walk of each path under its name."""
    return {name: partial(walked, name) for name in paths}


ROOMS: dict[str, dict[str, Walk]] = {
    "vetting": {
        **walks_of(PATHS, walked_vetting),
        "goes_on_as_new": further.vetting_goes_on_as_new,
        "went_on_as_new": further.vetting_went_on_as_new,
        "turned_away": further.vetting_turned_away,
    },
    "campaign": {
        **walks_of(campaign_paths.PATHS, walked_campaign),
        "went_on_as_new": further.campaign_went_on_as_new,
        "turned_away": further.campaign_turned_away,
        "told_with_the_first_close": further.campaign_told_with_the_first_close,
        "told_with_the_payment": partial(further.campaign_told_with_the_payment, "settled"),
        "cancelled_told_with_the_payment": partial(
            further.campaign_told_with_the_payment, "cancelled_in_the_middle"
        ),
    },
    "rehearsal": walks_of(rehearsal_paths.PATHS, walked_rehearsal),
    "mail": {"dispatch": further.mail_dispatch},
}


async def record(room: str, name: str, client: Client, directory: Path) -> None:
    """Walk one path and store its history."""
    url = f"sqlite:///{directory / room}-{name}.db"
    await asyncio.to_thread(upgrade, url)
    history = await ROOMS[room][name](client, url, f"record-{room}-{name}")
    store(room, name, json.loads(history.to_json()))
    print(f"{room}/{name}: {len(history.events)} events")


def store(room: str, name: str, history: dict[str, Any]) -> None:
    """Write a history, one event a line, so that a difference can be read."""
    events = without_machine(history["events"])
    lines = ",\n".join(json.dumps(event, separators=(",", ":"), sort_keys=True) for event in events)
    (HISTORIES / room / f"{name}.json").write_text(f'{{"events":[\n{lines}\n]}}\n')


async def record_all(address: str, directory: Path, wanted: list[tuple[str, str]]) -> None:
    """Walk the paths one after the other."""
    client = await new_namespace(address, f"record-{new_id()}")
    for room, name in wanted:
        await record(room, name, client, directory)


def asked(words: list[str]) -> list[tuple[str, str]]:
    """Return the paths that the command line names: all, all of a room, or some of one.

    Where a whole room is walked, no history of another name is left behind.
    """
    if len(words) > 1:
        return [(words[0], name) for name in words[1:]]
    wanted = []
    for room in words or ROOMS:
        (HISTORIES / room).mkdir(exist_ok=True)
        for old in (HISTORIES / room).glob("*.json"):
            old.unlink()
        wanted += [(room, name) for name in sorted(ROOMS[room])]
    return wanted


def main() -> None:
    """Record the paths named on the command line."""
    wanted = asked(sys.argv[1:])
    with tempfile.TemporaryDirectory() as directory:
        server = SharedTemporal.start(Path(directory))
        try:
            asyncio.run(record_all(server.server.address, Path(directory), wanted))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
