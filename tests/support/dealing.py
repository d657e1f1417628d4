"""The order of a run on several processes: what takes long begins first, so that none is left alone with it.

pytest-xdist's worksteal cuts the list of tests into one piece for each process; whoever is done takes from
the end of the longest piece that is left.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

TOGETHER: Final = "tests/browser/"
"""These share a browser, which starts once for each process that needs one."""

LONG: Final = (
    "tests/faults/test_failpoints.py",
    "tests/faults/test_kills.py",
    "tests/api/test_schemathesis.py",
    "tests/engine/test_dev.py::test_it_runs",
    "tests/engine/test_demo.py::test_the_story",
    "tests/workflows/test_campaign_whole.py",
    "tests/faults/",
    "tests/engine/test_seed.py",
    "tests/engine/test_setup.py",
    "tests/mail/test_dispatch_killed.py",
    "tests/workflows/test_vetting_long.py",
    "tests/workflows/test_vetting_paths.py::test_path_replayed",
    "tests/workflows/test_vetting_random.py",
)
"""How the longest begin, longest first."""


def _rank(name: str) -> int:
    """Return where ``name`` stands among the long ones; behind all of them if it is not one."""
    return next((rank for rank, start in enumerate(LONG) if name.startswith(start)), len(LONG))


def dealt(items: Sequence[T], workers: int, name_of: Callable[[T], str]) -> list[T]:
    """Return ``items`` so that each of ``workers`` equal pieces begins with its share of the long ones.

    Those that belong together begin the first piece; the others share the rest of the long ones.
    """
    if workers < 2:
        return list(items)
    together = [item for item in items if name_of(item).startswith(TOGETHER)]
    others = [item for item in items if not name_of(item).startswith(TOGETHER)]
    others.sort(key=lambda item: _rank(name_of(item)))
    long = [item for item in others if _rank(name_of(item)) < len(LONG)]
    short = others[len(long) :]
    heads = [together, *(long[worker :: workers - 1] for worker in range(workers - 1))]
    order: list[T] = []
    for worker, head in enumerate(heads):
        piece = (len(items) - len(order)) // (workers - worker)
        filling = max(0, piece - len(head))
        order += [*head, *short[:filling]]
        short = short[filling:]
    return order + short
