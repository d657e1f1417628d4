"""How Python goes about threads and garbage in a process that serves for weeks."""

import gc
import sys
from typing import Final

_SWITCH_SECONDS: Final = 0.0005
_COLLECT_AFTER: Final = 20_000
"""Objects made and not yet gone, after which Python looks for those that only hold each other."""


def hand_over_soon() -> None:
    """Have threads of the database hand over to the event loop sooner than by Python's default of 5 ms."""
    sys.setswitchinterval(_SWITCH_SECONDS)


def collect_rarely() -> None:
    """Look for garbage less often, once all that lives as long as the process is imported and made.

    That need not be looked through again by every collection. What 64 requests hold while they are answered,
    or a page of thousands of rows, need not be by ten: a twentieth of a check-in, a tenth of a settlement.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
