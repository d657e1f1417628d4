"""`kameng doctor`: checks the whole set-up, and for whatever is wrong says what to do."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError

from contracts.base import VETTING_QUEUE, task_queue
from db import migrate
from db.database import Database
from db.errors import DatabaseUnavailable
from db.urls import shown, sqlite_file_of
from engine import doctor_machine, timeskip
from engine.cache import Report
from engine.dev import RUNNING
from engine.doctor_mail import check_mail
from engine.findings import Finding, Level, fail, ok, warn
from engine.temporal_client import connect
from engine.temporal_server import missing_search_attributes
from engine.workers import polling
from settings import Settings, SettingsError, load_settings

ANSWER_SECONDS = 10.0
START_IT = "start Kameng: make run"
MIGRATE = "run: kameng migrate"


def check_settings(settings: Settings) -> list[Finding]:
    """Look for settings that are refused: here and now, or once this is a production machine."""
    problems = settings.problems()
    if problems:
        return [fail("settings", line.split(": ", 1)[0], line.split(": ", 1)[-1]) for line in problems]
    return [ok("settings", settings.environment)]


async def check_database(settings: Settings) -> list[Finding]:
    """Reach the database and compare its schema with this version's."""
    migrating = MIGRATE if settings.production else f"{MIGRATE} (make run does it too)"
    try:
        place = shown(settings.database_url)
        if (file := sqlite_file_of(settings.database_url)) is not None and not file.exists():
            # Opened, it would be made.
            return [fail("database", f"there is no {file} yet", migrating)]
        async with Database.connect(settings.database_url) as database:
            await database.ping(seconds=ANSWER_SECONDS)
        current = await asyncio.to_thread(migrate.is_current, settings.database_url)
    except ValueError:
        # Named among the settings.
        return []
    except DatabaseUnavailable as error:
        return [fail("database", f"{place} does not answer ({error})", "start it, or set DATABASE_URL")]
    if not current:
        return [fail("database", f"{place} is not at this version's schema", migrating)]
    return [ok("database", f"{place} answers and is migrated")]


def _running_address(settings: Settings) -> str | None:
    """Return the address of the Temporal server that `kameng dev` runs on this data directory, if it does."""
    try:
        return str(json.loads((settings.data_dir / RUNNING).read_text())["temporal"])
    except (OSError, ValueError, KeyError):
        return None


async def check_temporal(settings: Settings) -> list[Finding]:
    """Reach Temporal, and look for what Kameng needs there."""
    if "temporal_address" not in settings.model_fields_set and (address := _running_address(settings)):
        settings = settings.model_copy(update={"temporal_address": address})
        settings.model_fields_set.add("temporal_address")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            client = await connect(settings)
            return [
                ok("Temporal", f"{settings.temporal_address}, namespace {client.namespace}, answers"),
                await _check_search_attributes(client),
                await _check_time_skipping(client, settings),
                await _check_worker(client, settings),
            ]
    except (RuntimeError, RPCError, TimeoutError):
        text = f"{settings.temporal_address} does not answer"
        advice = "start it, or set TEMPORAL_ADDRESS (and its TLS and API key settings)"
        return [fail("Temporal", text, advice if settings.production else START_IT)]


async def _check_search_attributes(client: Client) -> Finding:
    try:
        missing = await missing_search_attributes(client)
    except RPCError as error:
        return warn(
            "search attributes", f"cannot be listed ({error.message})", "look in the cluster's own tool"
        )
    if missing:
        return fail("search attributes", f"{', '.join(missing)} missing", "register them in the namespace")
    return ok("search attributes", "registered")


async def _check_time_skipping(client: Client, settings: Settings) -> Finding:
    enabled = await timeskip.is_enabled(client)
    if settings.time_machine_enabled and not enabled:
        return warn(
            "time machine", "this server cannot skip time", "needed for demo only; server 1.32 or newer"
        )
    if settings.production and enabled:
        advice = "set frontend.WorkflowTimeSkippingEnabled=false"
        return warn("time machine", "this production server lets clients skip time", advice)
    return ok("time machine", "on" if enabled else "off")


async def _check_worker(client: Client, settings: Settings) -> Finding:
    name = task_queue(settings.task_queue_prefix, VETTING_QUEUE)
    found = await polling(client, name)
    if not found:
        return fail("worker", f"none takes work from {name}", "start one: kameng worker (or make run)")
    return ok("worker", f"{found} take work from {name}")


async def examine(settings: Settings) -> list[Finding]:
    """Run every check and return all findings; none raises, none changes anything that is kept."""
    found = [*doctor_machine.check_machine(settings.data_dir), *check_settings(settings)]
    checks: list[Callable[[Settings], Awaitable[list[Finding]]]] = [
        check_database,
        check_temporal,
        check_mail,
    ]
    for findings in await asyncio.gather(*(check(settings) for check in checks)):
        found += findings
    return found


def doctor_command(report: Report) -> int:
    """Print a line for each finding; return 1 if anything fails, else 0."""
    try:
        settings = load_settings(check=False)
    except SettingsError as error:
        for problem in error.problems:
            report(str(fail("settings", *problem.split(": ", 1))))
        return 1
    findings = asyncio.run(examine(settings))
    for finding in findings:
        report(str(finding))
    failed = sum(finding.level is Level.FAIL for finding in findings)
    report(f"{failed} to put right" if failed else "all is well")
    return 1 if failed else 0
