"""`kameng demo`: one application from draft to certified, on a Kameng of its own, in skipped time.

Everything that is told was done over the JSON API and is checked before it is printed.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.cells import set_cell_size
from rich.console import Console
from rich.table import Table

from db.database import Database
from engine import processes
from engine.demo_campaign import CampaignStory
from engine.demo_story import Story
from engine.demo_words import WORDS
from engine.errors import EngineError
from engine.seed import populate
from engine.seed_people import EVERYBODY
from engine.visitors import Refusal, entrance
from mail.phrases import Phrases

START_SECONDS: Final = 420.0
STOP_SECONDS: Final = 40.0
WHO_CELLS: Final = 24
FOREIGN: Final = ("KAMENG_", "TEMPORAL_", "SENDGRID_")


class Narrator:
    """Prints what happens, as it happens, in one of the two languages (0: zh, 1: en)."""

    def __init__(self, console: Console, language: int) -> None:
        self.console = console
        self.language = language
        # What the pages call the steps of a process.
        self.phrases = Phrases(("zh-CN", "en")[language], UTC)

    def words(self, phrase: str, /, **values: Any) -> str:
        """Return a phrase."""
        return WORDS[phrase][self.language].format(**values)

    def tell(self, at: str | datetime | None, who: str, what: str) -> None:
        """Print one step: the process's date, who, what."""
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        day = f"{moment:%Y-%m-%d}" if moment else " " * 10
        line = f"[dim]{day}[/]  [bold cyan]{set_cell_size(who, WHO_CELLS)}[/]  {what}"
        self.console.print(line, soft_wrap=True, highlight=False)

    def rule(self, text: str) -> None:
        """Print a heading."""
        self.console.rule(f"[bold]{text}")

    def timeline(self, entries: list[dict[str, Any]]) -> None:
        """Print the timeline as a table."""
        table = Table(title=self.words("timeline"), title_justify="left", header_style="bold")
        for column in ("#", "when", "what", "who"):
            # On a narrow terminal only the words give way: a number or a date cut short says something else.
            table.add_column(column if column == "#" else self.words(column), no_wrap=column != "what")
        for entry in entries:
            at = datetime.fromisoformat(entry["at"])
            what = self.phrases.t(f"page.entry.{entry['code']}")
            who = self.phrases.t(f"page.actor.{entry['actor']}")
            table.add_row(str(entry["seq"]), f"{at:%Y-%m-%d %H:%M}", what, who)
        self.console.print(table)

    def report(self, report: Mapping[str, Any]) -> None:
        """Print the report of a campaign as a table."""
        table = Table(title=self.words("report"), title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right", no_wrap=True)
        paid = report["paid"]
        table.add_row(self.words("report_members"), f"{report['members']} ({report['left']})")
        table.add_row(self.words("report_completed"), f"{report['completed']} ({report['completion']:.0%})")
        table.add_row(self.words("report_retention"), f"{report['retention']:.0%}")
        table.add_row(self.words("report_check_ins"), str(report["check_ins"]))
        kinds = " + ".join(
            str(paid[kind]) for kind in ("check_in", "streak", "completion", "rank", "invitation")
        )
        table.add_row(self.words("report_paid"), f"{paid['total']} = {kinds}")
        steps = {step["step"]: step for step in report["growth"]["steps"]}
        joined, active = steps["joined"], steps["activated"]["reached"]
        table.add_row(self.words("report_friends"), f"{joined['reached']} ({active}; {joined['rejected']})")
        table.add_row(self.words("report_k"), f"{report['growth']['k']['value']:.2f}")
        for name in ("new_members", "shares"):
            told = report[name]
            table.add_row(self.words(f"report_{name}"), f"{told['during']} ({told['before']})")
        self.console.print(table)


def language_of(given: str | None, environ: Mapping[str, str]) -> int:
    """Return 0 for Chinese, 1 for English: what was asked for, else by the shell. Raises ``EngineError``."""
    if given is not None and given.lower()[:2] not in {"zh", "en"}:
        raise EngineError(f"--lang is zh or en, not {given}")
    shell = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return 0 if (given or shell).lower().startswith("zh") else 1


@contextmanager
def own_kameng(directory: Path) -> Iterator[tuple[str, str]]:
    """Run a whole Kameng in ``directory`` and yield its address and database; stopped at the end."""
    port, temporal_port = processes.free_port(), processes.free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "cli", "dev", "--data-dir", str(directory), "--seed", "none"]
    command += ["--port", str(port), "--temporal-port", str(temporal_port)]
    log = directory / "dev.log"
    process = processes.spawn(command, env, log)
    try:
        _await_ready(directory / "running.json", process, log)
        yield f"http://127.0.0.1:{port}", f"sqlite:///{directory / 'kameng.db'}"
    finally:
        processes.stop(process, STOP_SECONDS)


def _await_ready(running: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the whole is ready; a first start may have to get a Temporal server."""
    deadline = time.monotonic() + START_SECONDS
    while not running.exists() or not json.loads(running.read_text() or "{}"):
        processes.require_alive(process, "Kameng", log)
        if time.monotonic() > deadline:
            raise EngineError(f"Kameng was not ready after {START_SECONDS:.0f} s:\n{processes.tail(log)}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Told:
    """Both stories, and how many seconds each of them took."""

    story: Story
    campaign: CampaignStory
    story_seconds: float
    campaign_seconds: float


async def tell_stories(base_url: str, database_url: str, narrator: Narrator, members: int, days: int) -> Told:
    """Tell both stories on the Kameng at ``base_url``: an application, and a campaign of who was certified.

    Raises ``EngineError`` where they go otherwise.
    """
    async with Database.connect(database_url) as db:
        await db.write(lambda conn: populate(conn, datetime.now(UTC)))
        async with entrance(base_url) as door:
            story = Story(door, narrator)
            campaign = CampaignStory(door, db, narrator, story.applicant, days)
            begun = time.monotonic()
            try:
                await story.tell()
                story_told = time.monotonic()
                narrator.rule(narrator.words("campaign_title", days=days))
                await campaign.tell(members)
            except Refusal as refusal:
                raise EngineError(f"the story went otherwise: {refusal}") from refusal
            except httpx2.TransportError as error:
                raise EngineError(f"Kameng stopped answering ({error!r})") from error
            seconds = story_told - begun, time.monotonic() - story_told
            return Told(story, campaign, *seconds)


def demo_command(lang: str | None = None, members: int = 200, days: int = 30) -> None:
    """Start a Kameng, tell both stories, stop it. Raises ``EngineError`` if anything is not as told.

    ``members`` take part in the campaign, which lasts ``days`` days.
    """
    narrator = Narrator(Console(), language_of(lang, os.environ))
    narrator.rule(narrator.words("title"))
    narrator.console.print(narrator.words("starting"))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kameng-demo-") as name, own_kameng(Path(name)) as places:
        ready = time.monotonic()
        narrator.console.print(narrator.words("started", seconds=ready - begun, people=len(EVERYBODY)))
        told = asyncio.run(tell_stories(*places, narrator, members, days))
    narrator.timeline(told.story.entries)
    narrator.report(told.campaign.report)
    facts = {"mails": told.story.mails, "events": len(told.story.entries)}
    application = narrator.words("summary", days=told.story.days, seconds=told.story_seconds, **facts)
    ran = narrator.words("campaign_summary", days=days, seconds=told.campaign_seconds)
    narrator.console.print(application, ran, narrator.words("further"), sep="\n")
