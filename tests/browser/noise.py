"""Pictures of noise, which do not compress."""

import os
from io import BytesIO

from PIL import Image


def png(side: int = 300) -> bytes:
    """Return a PNG of ``side``² × 3 bytes."""
    written = BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(written, "PNG", compress_level=0)
    return written.getvalue()
