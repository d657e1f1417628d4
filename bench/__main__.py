"""``python -m bench [row …] [--quick]``: measure, print, write to bench/results/."""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module

from bench import machine, report
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
}
Row = Callable[[Place], Awaitable[list[Result]]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, metavar="row", help="1 to 8; none means all of them")
    parser.add_argument("--quick", action="store_true", help="few pairs, small numbers, nothing written")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(map(str, sorted(unknown)))}")
    return arguments


def _run(number: int, quick: bool) -> list[Result]:
    """Measure one row; one that breaks is reported as such and leaves the others alone."""
    name = ROWS[number]
    try:
        measure: Row = import_module(f"bench.rows.{name}").measure
        with Place(quick=quick) as place:
            return asyncio.run(_measured(measure, place))
    except Exception as error:
        traceback.print_exc()
        return [Result(number, name.replace("_", " "), "–", "", missing=f"{type(error).__name__}: {error}")]


async def _measured(measure: Row, place: Place) -> list[Result]:
    return await measure(place)


def main() -> int:
    """Measure the rows asked for. A missed target is a finding, not a failure; a row that breaks is one."""
    arguments = _arguments()
    found = machine.describe()
    print(f"{found['cpu']}, {found['cores']} cores, Python {found['python']}", flush=True)
    load, results = machine.load_average(), []
    for number in arguments.rows or ROWS:
        started = time.monotonic()
        for result in _run(number, arguments.quick):
            results.append(result)
            print("\n".join(report.lines_of(result)), flush=True)
        print(f"    ({time.monotonic() - started:.0f} s)", flush=True)
    for path in [] if arguments.quick else report.write(results, load):
        print(f"written: {path.relative_to(path.parents[2])}")
    return 1 if any(result.missing for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
