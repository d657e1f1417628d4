"""Where the JSON API lives."""

from typing import Final

PREFIX: Final = "/api/v1"
