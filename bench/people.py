"""Applications to measure with, made many at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from temporalio.client import Client

from db.database import Database
from domain.ids import new_id
from tests.support.community import Community
from tests.support.vetting import Case, new_case

T = TypeVar("T")


async def community(db: Database, client: Client, members: int = 12) -> Community:
    """Return a community on a task queue of its own."""
    here = Community(db, client, f"bench-{new_id()[-6:]}")
    await here.populate(members)
    return here


async def drafts(here: Community, count: int) -> list[Case]:
    """Return ``count`` complete drafts, each of a person of its own."""

    async def one(number: int) -> Case:
        return await new_case(here, await here.person(f"applicant{number}"))

    return await at_once(one, range(count), 64)


async def at_once(act: Callable[[T], Awaitable[object]], items: Iterable[T], width: int) -> list:
    """Call ``act`` on every item, ``width`` of them at a time; return the answers in the items' order."""
    waiting = list(enumerate(items))
    answers: list[object] = [None] * len(waiting)
    waiting.reverse()

    async def worker() -> None:
        while waiting:
            number, item = waiting.pop()
            answers[number] = await act(item)

    await asyncio.gather(*(worker() for _ in range(width)))
    return answers


def target(client: Client) -> list[str]:
    """Return the address and namespace of ``client``, as the worker process takes them."""
    return [client.service_client.config.target_host, client.namespace]
