"""``python -m bench [row …] [--quick]``: measure, print, write to bench/results/."""

import argparse
import asyncio
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module

from bench import machine, report
from bench.ground import Ground
from bench.measure import Result
from bench.place import Place

ROWS = {
    1: "submit",
    2: "decision",
    3: "vote",
    4: "status",
    5: "roll_mail",
    6: "waiting",
    7: "killed_workers",
    8: "queue",
    9: "check_in",
    10: "check_in_size",
    11: "close_day",
    12: "settlement",
    13: "history",
    14: "leaderboard",
    15: "one_each",
}
# Estimated for two idle cores (seconds).
USUALLY = {
    1: 60,
    2: 40,
    3: 120,
    4: 160,
    5: 120,
    6: 160,
    7: 210,
    8: 500,
    9: 130,
    10: 150,
    11: 490,
    12: 600,
    13: 90,
    14: 60,
    15: 90,
}
# A row that takes longer hangs: it is given up and said to be, and the next is measured.
LONGEST_SECONDS = 20 * 60
Row = Callable[[Place], Awaitable[list[Result]]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, metavar="row", help="1 to 15; none means all of them")
    parser.add_argument("--quick", action="store_true", help="few pairs, small numbers, nothing written")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(map(str, sorted(unknown)))}")
    return arguments


def _run(number: int, ground: Ground, quick: bool) -> list[Result]:
    """Measure one row; one that breaks is reported as such and leaves the others alone."""
    name = ROWS[number]
    try:
        measure: Row = import_module(f"bench.rows.{name}").measure
        with Place(ground, quick=quick) as place:
            return asyncio.run(_measured(measure, place))
    except Exception as error:
        traceback.print_exc()
        return [Result(number, name.replace("_", " "), "–", "", missing=f"{type(error).__name__}: {error}")]


async def _measured(measure: Row, place: Place) -> list[Result]:
    async with asyncio.timeout(LONGEST_SECONDS):
        return await measure(place)


def _all(rows: list[int], ground: Ground, quick: bool) -> list[Result]:
    """Measure one row after the other, and print each when it is done."""
    results = []
    for number in rows:
        started = time.monotonic()
        print(f"{number}. {ROWS[number].replace('_', ' ')} …", flush=True)
        for result in _run(number, ground, quick):
            results.append(result)
            print("\n".join(report.lines_of(result)), flush=True)
        print(f"    ({time.monotonic() - started:.0f} s)", flush=True)
    return results


def _stopped(*_: object) -> None:
    """End, and let nothing interrupt the stopping of what was started."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main() -> int:
    """Measure the rows asked for. A missed target is a finding, not a failure; a row that breaks is one."""
    arguments = _arguments()
    found = machine.describe()
    print(f"{found['cpu']}, {found['cores']} cores, Python {found['python']}", flush=True)
    load, rows = machine.load_average(), arguments.rows or list(ROWS)
    if not arguments.quick:
        minutes = sum(USUALLY[number] for number in rows) / 60
        print(f"about {minutes:.0f} min on an idle machine (load average now {load})", flush=True)
    # Stopped from outside, it still stops all that it has started.
    signal.signal(signal.SIGTERM, _stopped)
    with Ground() as ground:
        results = _all(rows, ground, arguments.quick)
    for path in [] if arguments.quick else report.write(results, load):
        print(f"written: {path.relative_to(path.parents[2])}")
    return 1 if any(result.missing for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
