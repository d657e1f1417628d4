"""Where the Temporal server comes from, in which order; the programs here are stand-ins with a version."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine import temporal_binary, temporal_build
from engine.errors import EngineError
from engine.temporal_binary import locate, server_version
from engine.temporal_command import command_line


def stand_in(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'temporal version 1.0.0 (Server {version}, UI 2.50.1)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine with nothing on it, which reaches nothing."""
    return {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "bin")}


@pytest.fixture
def said() -> list[str]:
    return []


def test_one_on_path_wins(environ: dict[str, str], said: list[str], tmp_path: Path) -> None:
    on_path = stand_in(tmp_path / "bin" / "temporal", "1.32.0")
    stand_in(tmp_path / "cache" / "kameng" / "temporal" / "1.33.0" / "temporal", "1.33.0")
    assert locate(said.append, environ).path == on_path
    assert said[-1].endswith("(found on PATH)")


def test_one_too_old_on_path_is_passed_over_with_a_word(
    environ: dict[str, str], said: list[str], tmp_path: Path
) -> None:
    stand_in(tmp_path / "bin" / "temporal", "1.31.9")
    cached = stand_in(tmp_path / "cache" / "kameng" / "temporal" / "1.32.0" / "temporal", "1.32.0")
    assert locate(said.append, environ).path == cached
    assert "older than server 1.32.0" in said[0]
    assert said[-1].endswith("(from the cache)")


def test_a_broken_one_in_the_cache_is_not_used(
    environ: dict[str, str], said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "cache" / "kameng" / "temporal" / "1.32.0" / "temporal"
    broken.parent.mkdir(parents=True)
    broken.write_text("half a download")
    monkeypatch.setattr(temporal_binary, "DOWNLOAD_SECONDS", 1.0)

    def made(directory: Path, _tools: Path, _report: object, _environ: object) -> Path:
        return stand_in(directory / "temporal", "1.32.0")

    monkeypatch.setattr(temporal_build, "build", made)
    monkeypatch.setattr(temporal_binary, "download", lambda *_: None)
    located = locate(said.append, environ)
    assert located.origin == "built"
    assert server_version(located.path) == (1, 32, 0)
    assert [
        path.name for path in located.path.parent.parent.iterdir() if path.name.startswith("build-")
    ] == []


def test_a_download_that_stalls_is_given_up_in_time(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalling = stand_in(tmp_path / "python", "")
    stalling.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(sys, "executable", str(stalling))
    assert temporal_binary.download(tmp_path, said.append, seconds=0.3) is None
    assert "not done after" in said[-1]
    assert not list(tmp_path.glob("download-*"))


def test_neither_server_nor_compiler_is_one_line_that_says_what_to_do(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "no index")

    monkeypatch.setattr(subprocess, "run", refused)
    monkeypatch.setattr("venv.create", lambda *_args, **_options: None)
    nothing: Mapping[str, str] = {"PATH": "/nonexistent"}
    with pytest.raises(EngineError) as caught:
        temporal_build.find_go(tmp_path, said.append, nothing)
    assert "\n" not in str(caught.value)
    assert "TEMPORAL_ADDRESS" in str(caught.value)
    assert not (tmp_path / "go").exists()


def test_one_at_hand_needs_no_cache_that_can_be_written(
    environ: dict[str, str], said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where a directory should be")
    on_path = stand_in(tmp_path / "bin" / "temporal", "1.32.0")
    assert locate(said.append, environ).path == on_path


def test_what_killed_runs_left_behind_is_swept(tmp_path: Path) -> None:
    left, kept = tmp_path / "build-abc" / "objects", tmp_path / "1.32.0"
    for directory in (left, kept, tmp_path / "download-x"):
        directory.mkdir(parents=True)
    temporal_binary.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


def test_a_cache_that_cannot_be_written_is_one_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a directory should be")
    with pytest.raises(EngineError, match="cannot be written to"):
        locate(print, environ)


@pytest.mark.parametrize(
    ("said_version", "new_enough"), [("1.26.8", True), ("1.27", True), ("1.26.7", False), ("1.9.9", False)]
)
def test_which_go_is_new_enough(tmp_path: Path, said_version: str, new_enough: bool) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho go version go{said_version} linux/amd64\n")
    go.chmod(0o755)
    found = temporal_build.go_version(go)
    assert found is not None
    assert (found >= temporal_build.OLDEST_GO) is new_enough


def test_the_dev_server_listens_on_loopback_only() -> None:
    command = command_line(Path("temporal"), 1, 2, Path("file.db"))
    assert command[command.index("--ip") + 1] == "127.0.0.1"
    assert command[command.index("--ui-ip") + 1] == "127.0.0.1"
    assert "KamengDeadline=Datetime" in command
    assert os.environ.get("TEMPORAL_ADDRESS") is None
