"""Where a run keeps its files: in memory if there is room, else on the disk.

Every commit of SQLite and of a Temporal server with a file waits for the disk, a hundred thousand times in
a run. Nothing in it has to survive a power cut: tests of durability kill processes, and what a process has
written is as safe from its end in memory as on a disk.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 * 1024**3
"""Bytes that must be free; a whole run needs a fraction of it, and every failed one leaves its files."""


def place() -> Path | None:
    """Return the directory in memory to work in; None where there is none, or too little of it."""
    if not sys.platform.startswith("linux") or not os.access(MEMORY, os.W_OK):
        return None
    # Tests write programs and start them.
    if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    return MEMORY
