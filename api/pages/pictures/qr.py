"""QR codes of addresses, all made alike: as a picture, and module by module."""

import io
from typing import Final

import segno

_QUIET: Final = 4
"""Modules of light around a QR code (ISO/IEC 18004)."""


def _code(url: str) -> segno.QRCode:
    return segno.make(url, error="m", micro=False)


def svg(url: str) -> bytes:
    """Return the code of ``url`` as SVG, black on white with its light margin, to be shown in any size."""
    picture = io.BytesIO()
    # By its view box alone.
    _code(url).save(picture, kind="svg", border=_QUIET, omitsize=True, dark="#000", light="#fff")
    return picture.getvalue()


def modules(url: str) -> list[list[bool]]:
    """Return the code of ``url`` row by row, True for dark, with its light margin."""
    return [[bool(dark) for dark in row] for row in _code(url).matrix_iter(border=_QUIET)]
