"""The bulk work of a campaign in a process of its own, so that its memory can be told.

``python -m bench.bulk_work WHAT FILE`` does ``close_day``, ``settle`` or ``tell`` for each of the orders in
FILE, one after the other, the shards of each at once, and prints of the last one the seconds, the memory
before and at most (MiB), and the sums of the results, as JSON.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.campaigns import CampaignActivities
from bench.crowd import NUDGE_AFTER, OVER, Crowd
from bench.machine import resident_mib
from bench.place import CHECKOUT
from contracts.base import campaign_process_id
from contracts.campaigns import BulkInput, BulkResult
from db.database import Database
from domain.campaigns.members import SHARDS
from domain.campaigns.state import Notice
from domain.mail import MailTemplate
from worker import tune

LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Done:
    """What one process did: how long it took, and how much its memory grew meanwhile (MiB)."""

    seconds: float
    growth_mib: float
    result: BulkResult


def shards_of(crowd: Crowd, shards: int, first: int = 0, last: int = SHARDS) -> list[BulkInput]:
    """Split the range ``[first, last)`` of a campaign's shard numbers into ``shards`` orders."""
    edges = [first + (last - first) * number // shards for number in range(shards + 1)]
    return [
        BulkInput(
            campaign_id=crowd.campaign_id,
            process_id=campaign_process_id(crowd.campaign_id),
            at=datetime.now(UTC),
            first=begin,
            last=end,
            day=OVER,
            nudge_after=NUDGE_AFTER,
            told_apart=True,
            notice=Notice(template=MailTemplate.CAMPAIGN_RESULT),
        )
        for begin, end in pairwise(edges)
    ]


def work(what: str, crowd: Crowd, shards: Sequence[BulkInput], warm_up: Crowd | None = None) -> Done:
    """Have a process do ``what`` for ``shards`` (blocks), first for all of ``warm_up``.

    A worker lives for weeks: its statements are prepared by the time it does such work.
    """
    orders = [] if warm_up is None else [(warm_up, shards_of(warm_up, len(shards)))]
    orders.append((crowd, list(shards)))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(
            [[where.url, [one.model_dump(mode="json") for one in some]] for where, some in orders], file
        )
        file.flush()
        command = [sys.executable, "-m", "bench.bulk_work", what, file.name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, cwd=CHECKOUT, timeout=LONGEST_SECONDS
        )
    found = json.loads(done.stdout)
    return Done(found["seconds"], found["growth_mib"], BulkResult.model_validate(found["result"]))


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _main(what: str, file: str) -> None:
    for url, some in json.loads(Path(file).read_text()):
        done = await _carried_out(what, url, [BulkInput.model_validate(one) for one in some])
    print(json.dumps(done))


async def _carried_out(what: str, url: str, shards: Sequence[BulkInput]) -> dict[str, Any]:
    async with Database.connect(url) as db:
        await db.ping()
        activities = CampaignActivities(db)
        do = {"close_day": activities.close_day, "settle": activities.settle, "tell": activities.tell}[what]
        # Its memory's highest point from here on.
        Path("/proc/self/clear_refs").write_text("5")
        before, started = resident_mib(os.getpid()), time.perf_counter()
        results = await asyncio.gather(*(ActivityEnvironment().run(do, shard) for shard in shards))
        seconds = time.perf_counter() - started
    total = {name: sum(getattr(result, name) for result in results) for name in ("members", "done", "points")}
    return {"seconds": seconds, "growth_mib": _peak_mib() - before, "result": total}


if __name__ == "__main__":
    tune()
    asyncio.run(_main(*sys.argv[1:3]))
