"""A worker of mail alone, as a process that a test can kill: ``python -m tests.support.mail_worker JSON``."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.mail import Dispatcher, MailActivities
from db.database import Database
from engine.temporal_client import connect
from mail.factory import build_renderer
from mail.transports import OutboxTransport, SendGridTransport, Transport
from settings import Settings
from tests.support.mail import config
from tests.support.sendgrid import API_KEY
from workflows.mail import MailDispatchWorkflow

LEASE = timedelta(seconds=2)


def mail_worker(
    client: Client, database: Database, transport: Transport, queue: str, lease: timedelta = LEASE
) -> Worker:
    """Return a worker that dispatches mail."""
    return Worker(
        client,
        task_queue=queue,
        workflows=[MailDispatchWorkflow],
        activities=[MailActivities(Dispatcher(database, transport, lease=lease)).deliver],
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


def transport_of(order: dict[str, Any]) -> Transport:
    """Return the outbox, or SendGrid at the given address with a short grace."""
    if not order.get("sendgrid"):
        return OutboxTransport()
    given = config(sendgrid_host=order["sendgrid"], sendgrid_api_key=API_KEY, mail_timeout_seconds=20.0)
    return SendGridTransport(given, build_renderer(given), grace=timedelta(seconds=1))


async def main(order: dict[str, Any]) -> None:
    """Work until killed."""
    settings = Settings(temporal_address=order["address"], temporal_namespace=order["namespace"])
    client = await connect(settings)
    async with Database.connect(order["database_url"]) as database:
        await mail_worker(client, database, transport_of(order), order["queue"]).run()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
