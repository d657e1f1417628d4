"""`kameng demo`: the story is told to its end on a real Kameng, and says so where it goes otherwise."""

import re
import string
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from engine import demo_story
from engine.demo import Narrator, language_of, tell_stories
from engine.demo_words import WORDS
from engine.errors import EngineError
from engine.visitors import Entrance


def _left_behind() -> list[str]:
    """Return the command lines of processes that work in a demo's directory."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if "kameng-demo-" in line:
            found.append(line)
    return found


@pytest.mark.parametrize(("language", "who"), [(0, "申请人"), (1, "applicant")])
def test_numbers_and_dates_of_the_timeline_are_whole_on_a_narrow_terminal(language: int, who: str) -> None:
    console = Console(width=80, record=True)
    entry = {"seq": 17, "at": "2026-12-03T22:10:00+00:00", "code": "probation_judged", "actor": "applicant"}
    Narrator(console, language).timeline([entry])
    line = next(line for line in console.export_text().splitlines() if "17" in line)
    assert [part.strip() for part in line.split("│")][1:3] == ["17", "2026-12-03 22:10"]
    assert who in line.casefold()


@pytest.mark.slow
def test_the_story_is_told_to_its_end_and_nothing_stays_behind(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--lang", "en", "--members", "12", "--days", "3"],
        capture_output=True,
        text=True,
        timeout=600,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "TMPDIR": str(tmp_path), "COLUMNS": "120"},
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for step in (
        "signs in by",
        "hands it in; if nothing happens: the reviewer",
        "asks for changes",
        "vote in secret (14)",
        "find all 14 receipts",
    ):
        assert step in told.stdout
    assert told.stdout.count("questions answered in time") == 8
    assert "is certified for: reading" in told.stdout
    assert "7 by themselves, 5 by the code of a friend" in told.stdout
    assert "of 12 check in" in told.stdout
    assert "2 newcomers make an account" in told.stdout
    assert re.search(r"new members \(in as many days before\)\W+2 \(\d+\)", told.stdout)
    assert re.search(r"shares \(in as many days before\)\W+[1-9]\d* \(", told.stdout)
    assert "go back to the pool" in told.stdout
    assert "67 days took" in told.stdout
    assert "Mid-term feedback" in told.stdout
    assert "midterm_feedback" not in told.stdout
    assert "3 days took" in told.stdout
    assert list(tmp_path.iterdir()) == []
    assert [line for line in _left_behind() if str(tmp_path) in line] == []


async def test_a_story_that_goes_otherwise_ends_it(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "MAIL_SECONDS", 0.2)
    # Nobody listens there.
    with pytest.raises(EngineError, match="stopped answering"):
        await tell_stories("http://127.0.0.1:9", sqlite_url, Narrator(Console(quiet=True), 1), 1, 1)

    def without_mail(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"items": []})

    async with httpx2.MockTransport(without_mail) as way:
        story = demo_story.Story(Entrance("http://kameng.test", way), Narrator(Console(quiet=True), 1))
        with pytest.raises(EngineError, match="no mail sign_in"):
            await story.tell()


@pytest.mark.parametrize(
    ("given", "environ", "language"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, 0),
        ("en", {"LANG": "zh_CN.UTF-8"}, 1),
        (None, {"LANG": "zh_CN.UTF-8"}, 0),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, 1),
        (None, {}, 1),
    ],
)
def test_it_speaks_the_language_asked_for(given: str | None, environ: dict[str, str], language: int) -> None:
    assert language_of(given, environ) == language


def test_an_unknown_language_is_one_clear_line() -> None:
    with pytest.raises(EngineError, match="zh or en, not fr"):
        language_of("fr", {})


def test_both_languages_tell_the_same() -> None:
    def fields(phrase: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(phrase) if field}

    assert all(fields(chinese) == fields(english) for chinese, english in WORDS.values())
