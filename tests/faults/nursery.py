"""Starts Kameng's processes from one that has everything imported: 0.1 s each instead of four.

Run as ``python -m tests.faults.nursery``. Each line on stdin orders a process (what, environment, log
file, arguments); each line on stdout answers with its pid. The children are whole processes of their
own, to be killed by their pid; all of them die with this one, and this one with the test.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import api.app  # noqa: F401 - imported once for all
import cli
import worker
from engine.processes import die_with_parent
from tests.faults import leisurely, mortal


def _worker(_given: dict[str, Any]) -> int:
    return worker.main()


def _api(given: dict[str, Any]) -> int:
    cli.api(host="127.0.0.1", port=given["port"])
    return 0


def _mortal_worker(given: dict[str, Any]) -> int:
    return mortal.main(**given)


def _leisurely_worker(given: dict[str, Any]) -> int:
    return leisurely.main(**given)


KINDS: dict[str, Callable[[dict[str, Any]], int]] = {
    "worker": _worker,
    "api": _api,
    "mortal_worker": _mortal_worker,
    "leisurely_worker": _leisurely_worker,
}


def _become(order: dict[str, Any]) -> None:
    """Turn this fresh fork into the process ordered; never returns."""
    die_with_parent()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.update(order["env"])
    code = 1
    try:
        code = KINDS[order["kind"]](order.get("given", {}))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve orders until stdin ends."""
    # The children have it all as it is: nobody's garbage, and pages that nobody writes to.
    gc.freeze()
    # The kernel forgets dead children at once: whoever waits for one sees its pid vanish.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
