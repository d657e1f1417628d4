"""The `kameng` command where something is not as it needs it: what to put right, in lines of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli

ON_THE_DATABASE = [
    ["api"],
    ["worker"],
    ["migrate"],
    ["admin", "create", "lin@people.example", "--role", "admin"],
    ["import", "members", "members.csv"],
    ["ledger", "verify"],
]


def kameng(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("arguments", ON_THE_DATABASE, ids=" ".join)
def test_an_address_of_no_database_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    told = kameng(*arguments, DATABASE_URL="mysql://x", KAMENG_DATA_DIR=str(tmp_path))
    line = "kameng: DATABASE_URL: mysql is neither sqlite nor postgresql\n"
    assert (told.returncode, told.stderr) == (cli.USAGE_ERROR, line)


@pytest.mark.parametrize("command", ["api", "worker"])
def test_every_problem_of_the_settings_is_a_line_of_its_own(command: str, tmp_path: Path) -> None:
    told = kameng(command, KAMENG_ENVIRONMENT="production", KAMENG_DATA_DIR=str(tmp_path))
    assert told.returncode == cli.USAGE_ERROR
    lines = told.stderr.splitlines()
    assert len(lines) > 3
    assert {line.split(": ")[0] for line in lines} == {"kameng"}
