"""What a test cannot do without, and is not here."""

import os
from typing import NoReturn

import pytest


def missing(what: str, why: Exception) -> NoReturn:
    """Skip the test loudly; in continuous integration fail it: there nothing is left out unseen."""
    if os.environ.get("CI"):
        pytest.fail(str(why))
    pytest.skip(f"NOT TESTED ON {what}: {why}")
