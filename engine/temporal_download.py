"""Download the dev server that belongs to the SDK: `python -m engine.temporal_download DIRECTORY`.

A program of its own, so that the one who starts it can bound it in time.
"""

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def download(directory: str) -> None:
    """Put the program into `directory`. It is started once, on a free port, and stopped: so it is proved."""
    environment = await WorkflowEnvironment.start_local(download_dest_dir=directory)
    await environment.shutdown()


if __name__ == "__main__":
    try:
        asyncio.run(download(sys.argv[1]))
    except RuntimeError as error:
        sys.exit(f"{error}")
