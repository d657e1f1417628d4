"""The Chromium that browser tests drive: the system's own, installed from its packages where possible."""

import os
import shutil
import subprocess
from typing import Final

SHELL: Final = "chromium-headless-shell"
"""Chromium without a browser around the page: a page costs a fifth less, and the package is smaller."""
NAMES: Final = (
    SHELL,
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
)
INSTALL_SECONDS: Final = 600


class ChromiumMissing(Exception):
    """There is no Chromium here and none could be installed."""


def find() -> str | None:
    """Return the path of an installed Chromium, or of a browser built on it."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def has_chinese_font() -> bool:
    """Tell whether Chinese characters are shown as such on pictures of pages."""
    program = shutil.which("fc-list")
    if program is None:
        return False
    listed = subprocess.run([program, ":lang=zh"], capture_output=True, timeout=30, check=False)
    return bool(listed.stdout.strip())


def install(*packages: str) -> None:
    """Install the system's packages where that is possible: as root, on Debian and its relatives."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *packages]):
        subprocess.run(command, env=environment, timeout=INSTALL_SECONDS, check=False, capture_output=True)


def locate() -> str:
    """Return the path of Chromium, after installing it if need be. Raises ChromiumMissing."""
    path = find()
    # Not every system has the shell in a package of its own.
    for package in (SHELL, "chromium"):
        if path is None:
            install(package)
            path = find()
    if path is None:
        raise ChromiumMissing("no Chromium here (Debian: apt-get install chromium)")
    return path
