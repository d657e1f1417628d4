"""The same key gives the same answer: once done, never done twice, never somebody else's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from sqlalchemy import insert, select, update

from api.idempotency import STUCK_AFTER, Answer, Once
from api.problems import Problem
from db.errors import DatabaseUnavailable
from db.repositories.requests import Slot, reserve
from db.tables.access import idempotency_keys
from db.tables.people import notes, people
from domain.ids import new_id
from settings import Settings
from tests.support.browser import add_person, browser, sign_in
from tests.support.vetting_api import Api, problem, running_api


class Told(BaseModel):
    """What an effect answers."""

    number: int


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def lin(api: Api) -> httpx2.AsyncClient:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, "lin@people.example")
    return client


async def test_a_repeated_request_is_answered_from_the_store(api: Api, lin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await lin.patch("/me", json={"display_name": "One"}, headers=key)
    assert "idempotency-replayed" not in first.headers
    await api.execute(update(people).values(display_name="Changed since"))
    again = await lin.patch("/me", json={"display_name": "One"}, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (await lin.get("/me")).json()["display_name"] == "Changed since"


async def test_without_a_key_everything_is_done_again(api: Api, lin: httpx2.AsyncClient) -> None:
    for name in ("One", "Two", "One"):
        assert (await lin.patch("/me", json={"display_name": name})).json()["display_name"] == name
    assert await api.rows(select(idempotency_keys)) == []


async def test_a_key_for_something_else_is_refused(api: Api, lin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    await lin.patch("/me", json={"display_name": "One"}, headers=key)
    other = await lin.patch("/me", json={"display_name": "Two"}, headers=key)
    problem(other, 422, "idempotency_key_reused")
    assert (await lin.get("/me")).json()["display_name"] == "One"


async def test_keys_belong_to_one_person_and_one_route(api: Api, lin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    await lin.patch("/me", json={"display_name": "One"}, headers=key)
    await add_person(api, "mei")
    mei = await browser(api)
    await sign_in(api, mei, "mei@people.example")
    assert (await mei.patch("/me", json={"display_name": "Mei"}, headers=key)).status_code == 200
    created = await lin.post("/applications", json={}, headers=key)
    assert (created.status_code, "idempotency-replayed" in created.headers) == (201, False)
    again = await lin.post("/applications", json={}, headers=key)
    assert again.json()["id"] == created.json()["id"]
    assert again.headers["location"] == created.headers["location"]


async def test_many_at_once_do_it_once(api: Api, lin: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(lin.post("/applications", json={}, headers={"Idempotency-Key": "same"}) for _ in range(8))
    )
    done = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json()["id"] for answer in done} == {done[0].json()["id"]}
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1


async def test_what_was_refused_can_be_tried_again(api: Api, lin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    problem(await lin.patch("/me", json={"locale": "fr"}, headers=key), 422, "validation_failed")
    assert (await lin.patch("/me", json={"locale": "en"}, headers=key)).status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 129, "tab\tbed"])
async def test_keys_that_are_none(sqlite_url: str, settings: Settings, key: str) -> None:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as api:
        await add_person(api, "lin")
        client = await browser(api)
        await sign_in(api, client, "lin@people.example")
        headers = {b"Idempotency-Key": key.encode()}
        answer = await client.patch("/me", json={"display_name": "One"}, headers=headers)
        problem(answer, 400, "idempotency_key_invalid")


async def once_for(api: Api, key: str | None, body: str = "hash") -> tuple[Once, str]:
    rows = await api.rows(select(people.c.id))
    return Once(api.db, "POST /x", key, body), rows[0]["id"]


def writes_a_note(note_id: str, fails: Exception | None = None) -> Any:
    def effect(conn: Any) -> Answer:
        row = {"id": note_id, "process_id": "p", "kind": "k", "body": "b", "created_at": datetime.now(UTC)}
        conn.execute(insert(notes).values(**row))
        if fails is not None:
            raise fails
        return Answer(201, Told(number=1), {"Location": "/x/1"})

    return effect


async def test_key_effect_and_answer_stand_or_fall_together(api: Api, lin: httpx2.AsyncClient) -> None:
    once, person = await once_for(api, "k")
    for error in (Problem("forbidden"), DatabaseUnavailable("away"), ZeroDivisionError()):
        with pytest.raises(type(error)):
            await once.write(person, writes_a_note(new_id(), error))
        assert await api.rows(select(notes)) == []
        assert await api.rows(select(idempotency_keys)) == []
    done = await once.write(person, writes_a_note(new_id()))
    again = await once.write(person, writes_a_note(new_id()))
    assert (done.status_code, again.status_code, len(await api.rows(select(notes)))) == (201, 201, 1)
    assert (again.body, again.headers["location"]) == (done.body, "/x/1")


async def test_a_call_gets_the_same_id_for_the_same_key(api: Api, lin: httpx2.AsyncClient) -> None:
    asked: list[str] = []

    async def effect(update_id: str) -> Answer:
        asked.append(update_id)
        if len(asked) == 1:
            raise Problem("temporal_unavailable", retry_after_seconds=5)
        return Answer(200, Told(number=len(asked)))

    once, person = await once_for(api, "k")
    with pytest.raises(Problem):
        await once.call(person, effect)
    assert await api.rows(select(idempotency_keys)) == []
    first = await once.call(person, effect)
    again = await once.call(person, effect)
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert (again.body, again.headers["idempotency-replayed"]) == (first.body, "true")
    without, _ = await once_for(api, None)
    await without.call(person, effect)
    await without.call(person, effect)
    assert len(set(asked)) == 3


async def test_a_call_still_running_is_waited_for(api: Api, lin: httpx2.AsyncClient) -> None:
    once, person = await once_for(api, "k")
    running, may_end = asyncio.Event(), asyncio.Event()

    async def slow(update_id: str) -> Answer:
        running.set()
        await may_end.wait()
        return Answer(200, Told(number=1))

    first = asyncio.create_task(once.call(person, slow))
    await running.wait()
    with pytest.raises(Problem, match="request_in_progress"):
        await once.call(person, slow)
    other_body, _ = await once_for(api, "k", "another")
    with pytest.raises(Problem, match="idempotency_key_reused"):
        await other_body.call(person, slow)
    may_end.set()
    assert (await first).status_code == 200
    assert (await once.call(person, slow)).headers["idempotency-replayed"] == "true"


async def test_a_key_whose_process_died_is_free_after_a_while(api: Api, lin: httpx2.AsyncClient) -> None:
    once, person = await once_for(api, "k")
    slot = Slot(person, "POST /x", "k")
    now = datetime.now(UTC)
    await api.db.write(lambda conn: reserve(conn, slot, "hash", now))

    async def effect(update_id: str) -> Answer:
        await asyncio.sleep(0)
        return Answer(200, Told(number=1))

    with pytest.raises(Problem, match="request_in_progress"):
        await once.call(person, effect)
    await api.execute(update(idempotency_keys).values(created_at=now - STUCK_AFTER - timedelta(seconds=1)))
    tries = [once.call(person, effect) for _ in range(4)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, Problem) for answer in answers) <= 3
    done = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
