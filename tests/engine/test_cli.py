"""The `kameng` command where something is not as it needs it: what to put right, in lines of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from engine.processes import free_port

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


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_migrating_makes_the_data_directory_for_its_owner_alone(tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = kameng("migrate", KAMENG_DATA_DIR=str(new))
    assert (done.returncode, done.stderr) == (0, "")
    assert (mode(new), mode(new / "kameng.db")) == (0o700, 0o600)


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    (tmp_path / "theirs").chmod(0o755)
    assert kameng("migrate", KAMENG_DATA_DIR=str(tmp_path / "theirs")).returncode == 0
    assert (mode(tmp_path / "theirs"), mode(tmp_path / "theirs" / "kameng.db")) == (0o755, 0o600)


def test_the_directory_of_a_database_elsewhere_is_asked_for(tmp_path: Path) -> None:
    told = kameng("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/no/k.db", KAMENG_DATA_DIR=str(tmp_path))
    assert told.returncode == cli.USAGE_ERROR
    assert told.stderr == f"kameng: there is no directory {tmp_path}/no; make it, or set DATABASE_URL\n"


@pytest.mark.parametrize("arguments", ON_THE_DATABASE[2:], ids=" ".join)
def test_a_database_that_is_away_is_named_without_its_password(arguments: list[str], tmp_path: Path) -> None:
    port = free_port()
    away = f"postgresql://me:hunter2@127.0.0.1:{port}/kameng?password=hunter3"
    told = kameng(*arguments, DATABASE_URL=away, KAMENG_DATA_DIR=str(tmp_path))
    assert told.returncode == cli.USAGE_ERROR
    [line] = told.stderr.splitlines()
    assert line.startswith(f"kameng: the database at 127.0.0.1:{port}/kameng is not available (")
    assert line.endswith("); start it, or set DATABASE_URL")
    assert "hunter" not in line


@pytest.mark.parametrize("arguments", ON_THE_DATABASE[3:], ids=" ".join)
def test_a_database_that_is_not_there_yet_is_not_made_in_passing(
    arguments: list[str], tmp_path: Path
) -> None:
    told = kameng(*arguments, KAMENG_DATA_DIR=str(tmp_path / "new"))
    line = "kameng: the database has not been migrated; run: kameng migrate\n"
    assert (told.returncode, told.stderr) == (cli.USAGE_ERROR, line)
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_makes_nothing(tmp_path: Path) -> None:
    told = kameng("doctor", KAMENG_DATA_DIR=str(tmp_path / "new"), TEMPORAL_ADDRESS="127.0.0.1:1")
    assert told.returncode == 1
    assert f"ok    data directory: {tmp_path}/new: will be made at the first start, " in told.stdout
    assert list(tmp_path.iterdir()) == []
