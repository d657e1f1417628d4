"""The doctor's look at the machine: Python, packages, disk, fonts, a Temporal program for rehearsals."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.cache import writable
from engine.errors import EngineError
from engine.findings import Finding, fail, ok, warn
from engine.temporal_binary import OLDEST_SERVER, at_hand

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "runtime.txt"
OLDEST_PYTHON = (3, 11)
LITTLE_DISK_BYTES = 1024**3
FONT_NAMES = re.compile(r"cjk|wqy|sourcehan|pingfang|msyh|simsun|simhei|hiragino|droidsansfallback", re.I)
FONT_DIRECTORIES = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "~/.local/share/fonts",
)


def check_machine(data_dir: Path) -> list[Finding]:
    """Check what Kameng needs of the machine itself."""
    return [
        check_python(),
        check_packages(),
        *check_data_dir(data_dir),
        check_fonts(),
        check_rehearsals(os.environ),
    ]


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Check the version of Python."""
    text = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("Python", text, "install Python 3.11 or newer and run make again")
    return ok("Python", text)


def check_packages(lock: Path = LOCK) -> Finding:
    """Compare what is installed with the lock; packages for other systems do not count."""
    wrong = []
    for line in lock.read_text().splitlines():
        match = re.match(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ; .*)? \\$", line)
        if match and ";" not in line and _installed(match[1]) != match[2]:
            wrong.append(match[1])
    if wrong:
        return fail("packages", f"not as locked: {', '.join(wrong)}", "run: make setup")
    return ok("packages", "as locked")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_data_dir(data_dir: Path) -> list[Finding]:
    """Check that the data directory can be written to, or made, and has room."""
    there = next(place for place in (data_dir.absolute(), *data_dir.absolute().parents) if place.exists())
    try:
        free = shutil.disk_usage(writable(there)).free
    except EngineError as error:
        return [fail("data directory", str(error), "set KAMENG_DATA_DIR to a directory of your own")]
    room = f"{free / 1024**3:.1f} GB free"
    if free < LITTLE_DISK_BYTES:
        return [warn("data directory", f"{data_dir}: {room}", "make room")]
    state = "writable" if data_dir.exists() else "will be made at the first start"
    return [ok("data directory", f"{data_dir}: {state}, {room}")]


def has_chinese_font() -> bool:
    """Tell whether pictures drawn on this machine can show Chinese."""
    listing = shutil.which("fc-list")
    if listing:
        done = subprocess.run([listing, ":lang=zh"], capture_output=True, text=True, timeout=20, check=False)
        return bool(done.stdout.strip())
    places = (Path(place).expanduser() for place in FONT_DIRECTORIES)
    return any(
        FONT_NAMES.search(path.name) for place in places if place.is_dir() for path in place.rglob("*.?t?")
    )


def check_fonts() -> Finding:
    """Check for a font with Chinese glyphs: posters and plots are drawn on the server."""
    if has_chinese_font():
        return ok("fonts", "Chinese can be drawn")
    return warn("fonts", "no font with Chinese glyphs", "on Debian or Ubuntu: apt install fonts-noto-cjk")


def check_rehearsals(environ: Mapping[str, str]) -> Finding:
    """Check that a worker here could rehearse campaigns: each is carried out on a server of its own."""
    found = at_hand(environ)
    if found is None:
        version = ".".join(map(str, OLDEST_SERVER))
        advice = f"where a worker runs, put a temporal program on PATH whose server is {version} or newer"
        return warn("rehearsals", "no Temporal program here: workers cannot rehearse campaigns", advice)
    return ok("rehearsals", f"{found.path}, {found.origin}")
