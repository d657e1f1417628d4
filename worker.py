"""The worker process: which workflows and activities run on which task queue."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor, Worker

from activities.ballots import BallotActivities
from activities.campaigns import PAGE, PAY_PAGE, SMALL_PAGE, CampaignActivities
from activities.mail import Dispatcher, MailActivities
from activities.probation import ProbationActivities
from activities.rehearsals import RehearsalActivities, Stage
from activities.vetting import VettingActivities
from contracts.base import CAMPAIGN_QUEUE, MAIL_QUEUE, REHEARSAL_QUEUE, VETTING_QUEUE, task_queue
from db import migrate
from db.database import Database
from db.errors import DatabaseUnavailable, NotMigrated
from db.urls import sqlite_file_of
from engine.interpreter import collect_rarely, hand_over_soon
from engine.logs import configure_logging
from engine.mail_dispatch import ensure_mail_dispatch
from engine.observe import Observer, WorkerMetrics
from engine.private_files import keep_private
from engine.rehearsal.stage import OwnStage
from engine.sandbox import Sandbox
from engine.temporal_client import connect, metrics_runtime
from mail.config import MailConfig
from mail.factory import build_transport
from mail.metrics import MailMetrics
from mail.transports import Transport
from settings import Settings, SettingsError, load_settings
from workflows.campaigns import CampaignWorkflow
from workflows.mail import MailDispatchWorkflow
from workflows.rehearsals import RehearsalWorkflow
from workflows.vetting import VettingWorkflow

T = TypeVar("T")

log = structlog.get_logger()

# A killed worker's processes are offered to the others after this, so that who acts hardly waits.
STICKY = timedelta(seconds=3)
GRACE = timedelta(seconds=15)
# What Temporal notes beside each task. Left to itself, the SDK reads the code of every loaded module for one:
# a third of a second of each start.
BUILD = f"kameng-{version('kameng')}"
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.5, 10.0


def vetting_worker(
    client: Client,
    db: Database,
    queue: str,
    interceptors: Sequence[Interceptor] = (),
    *,
    cached_workflows: int = 1000,
) -> Worker:
    """Return the worker of vetting: its workflow and all activities that it orders."""
    vetting, ballots, probation = VettingActivities(db), BallotActivities(db), ProbationActivities(db)
    return Worker(
        client,
        task_queue=queue,
        workflows=[VettingWorkflow],
        activities=[
            vetting.record,
            ballots.open,
            ballots.cancel,
            ballots.count,
            ballots.mail_roll,
            probation.evaluate_week,
            probation.figures,
        ],
        interceptors=interceptors,
        build_id=BUILD,
        workflow_runner=Sandbox(),
        max_cached_workflows=cached_workflows,
        max_concurrent_activities=50,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
    )


def campaign_worker(
    client: Client,
    db: Database,
    queue: str,
    interceptors: Sequence[Interceptor] = (),
    *,
    cached_workflows: int = 1000,
    page: int = PAGE,
    small_page: int = SMALL_PAGE,
    pay_page: int = PAY_PAGE,
) -> Worker:
    """Return the worker of campaigns: their workflow and all activities that it orders.

    Bulk work commits ``page`` members at a time; letters and repairs ``small_page``, payments and the
    letters that tell of them ``pay_page``.
    """
    campaigns = CampaignActivities(db, page, small_page, pay_page)
    return Worker(
        client,
        task_queue=queue,
        workflows=[CampaignWorkflow],
        activities=[
            campaigns.record,
            campaigns.close_day,
            campaigns.remind,
            campaigns.tell,
            campaigns.repair,
            campaigns.settle,
            campaigns.report,
        ],
        interceptors=interceptors,
        build_id=BUILD,
        workflow_runner=Sandbox(),
        max_cached_workflows=cached_workflows,
        max_concurrent_activities=20,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
    )


def mail_worker(
    client: Client,
    db: Database,
    queue: str,
    transport: Transport,
    interceptors: Sequence[Interceptor] = (),
    metrics: MailMetrics | None = None,
) -> Worker:
    """Return the worker of mail: the process that dispatches it, and the hand-over by ``transport``."""
    return Worker(
        client,
        task_queue=queue,
        workflows=[MailDispatchWorkflow],
        activities=[MailActivities(Dispatcher(db, transport, metrics=metrics)).deliver],
        interceptors=interceptors,
        build_id=BUILD,
        workflow_runner=Sandbox(),
        graceful_shutdown_timeout=GRACE,
    )


def rehearsal_worker(
    client: Client, db: Database, queue: str, stage: Stage, interceptors: Sequence[Interceptor] = ()
) -> Worker:
    """Return the worker of rehearsals, which carries out one at a time on ``stage``."""
    rehearsals = RehearsalActivities(db, stage)
    return Worker(
        client,
        task_queue=queue,
        workflows=[RehearsalWorkflow],
        activities=[rehearsals.perform, rehearsals.give_up],
        interceptors=interceptors,
        build_id=BUILD,
        workflow_runner=Sandbox(),
        max_concurrent_activities=1,
        # One that is broken off begins anew elsewhere: there is nothing to wait for.
        graceful_shutdown_timeout=timedelta(0),
    )


def _served(name: str, host: str, port: int | None, serve: Callable[[str, int], T]) -> T | None:
    """Serve metrics at ``host`` where the setting ``name`` gives a port.

    SettingsError, a line that names the setting, if the address cannot be listened on.
    """
    if not port:
        return None
    try:
        return serve(host, port)
    except (OSError, ValueError) as error:
        reason = f"metrics cannot be served at {host}:{port} ({error})"
        raise SettingsError(
            [f"{name}: {reason}; free it, or set another port or KAMENG_METRICS_HOST"]
        ) from error


async def _trouble_with(db: Database, settings: Settings) -> str | None:
    """Return what keeps the database from being worked on, None if nothing does."""
    file = sqlite_file_of(settings.database_url)
    try:
        # Opened, a file that is not there would be made.
        there = file is None or file.exists()
        if there and await db.read(migrate.current) == migrate.head():
            return None
    except DatabaseUnavailable as error:
        return str(error)
    return str(NotMigrated())


async def _migrated(db: Database, settings: Settings, stop: asyncio.Event) -> bool:
    """Wait until the database has this version's schema, and say once what for; False if asked to stop first.

    On another schema every piece of work would fail, and be tried again.
    """
    wait, told = FIRST_RETRY_SECONDS, None
    while not stop.is_set():
        trouble = await _trouble_with(db, settings)
        if trouble is None:
            return True
        if trouble != told:
            log.warning("waiting for the database", reason=trouble)
            told = trouble
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
        wait = min(wait * 2, LAST_RETRY_SECONDS)
    return False


async def _connected(settings: Settings, runtime: Runtime | None, stop: asyncio.Event) -> Client | None:
    """Connect to Temporal, trying again until it answers; None if asked to stop first."""
    wait = FIRST_RETRY_SECONDS
    while not stop.is_set():
        try:
            return await connect(settings, runtime=runtime)
        except RuntimeError:
            log.warning("temporal not reached", address=settings.temporal_address, retry_seconds=wait)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
            wait = min(wait * 2, LAST_RETRY_SECONDS)
    return None


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve all task queues until ``stop`` is set, then finish what runs, bounded in time.

    SettingsError if the metrics that the settings ask for cannot be served.
    """
    metrics, host = WorkerMetrics(), settings.metrics_host
    _served("KAMENG_WORKER_METRICS_PORT", host, settings.worker_metrics_port, metrics.serve)
    runtime = _served("KAMENG_TEMPORAL_METRICS_PORT", host, settings.temporal_metrics_port, metrics_runtime)
    observer = Observer(metrics)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database.connect(settings.database_url))
        if not await _migrated(db, settings, stop):
            return
        client = await _connected(settings, runtime, stop)
        if client is None:
            return
        queue = task_queue(settings.task_queue_prefix, VETTING_QUEUE)
        await stack.enter_async_context(vetting_worker(client, db, queue, [observer]))
        campaign_queue = task_queue(settings.task_queue_prefix, CAMPAIGN_QUEUE)
        await stack.enter_async_context(campaign_worker(client, db, campaign_queue, [observer]))
        transport = build_transport(MailConfig.model_validate(settings, from_attributes=True))
        mails, mail_queue = MailMetrics(metrics.registry), task_queue(settings.task_queue_prefix, MAIL_QUEUE)
        await stack.enter_async_context(mail_worker(client, db, mail_queue, transport, [observer], mails))
        await ensure_mail_dispatch(client, mail_queue)
        stage = OwnStage(settings.rehearsals_dir)
        stage.sweep()
        rehearsals = task_queue(settings.task_queue_prefix, REHEARSAL_QUEUE)
        await stack.enter_async_context(rehearsal_worker(client, db, rehearsals, stage, [observer]))
        if settings.ready_file is not None:
            settings.ready_file.touch()
        log.info("worker ready", namespace=client.namespace)
        await stop.wait()
        log.info("worker draining")


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def tune() -> None:
    """Set this process up for the work of a worker, once all is imported."""
    hand_over_soon()
    collect_rarely()


def rehearse(place: Path) -> int:
    """Carry out the rehearsal that lies in ``place``, and nothing else; return the exit code."""
    from engine.rehearsal import world

    tune()
    world.run(place, campaign_worker)
    return 0


def main() -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    keep_private()
    if sys.argv[1:2] == ["--rehearse"]:
        return rehearse(Path(sys.argv[2]))
    try:
        settings = load_settings()
        configure_logging(settings)
        tune()
        asyncio.run(_main(settings))
    except SettingsError as error:
        for problem in error.problems:
            print(f"kameng: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
