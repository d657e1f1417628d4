"""`kameng admin reset-second-factor`: whoever lost the phone gets in again, and whoever has it does not."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

import cli
from db.tables.access import recovery_codes, second_factors
from db.tables.mail import mails
from domain.people import Role
from engine.admin import reset_second_factor
from engine.errors import EngineError
from settings import Settings
from tests.support.browser import add_person, browser, enrol, sign_in
from tests.support.vetting_api import Api, problem, running_api

RUI = "rui@people.example"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def test_a_lost_second_factor_is_reset_and_a_new_one_is_asked_for(api: Api) -> None:
    person_id = await add_person(api, "rui", Role.REVIEWER)
    other = await add_person(api, "lin")
    lost, elsewhere, of_other = [await browser(api) for _ in range(3)]
    await sign_in(api, lost, RUI)
    seed, _ = await enrol(lost)
    await sign_in(api, elsewhere, RUI)
    await sign_in(api, of_other, "lin@people.example")
    with capture_logs() as logged:
        assert await reset_second_factor(api.db, "Rui@people.example", datetime.now(UTC)) == 2
    assert logged == [
        {
            "event": "second factor reset",
            "log_level": "info",
            "person_id": person_id,
            "sessions_ended": 2,
        }
    ]
    for gone in (lost, elsewhere):
        problem(await gone.get("/me"), 401, "sign_in_required")
    assert (await of_other.get("/me")).json()["id"] == other
    assert await api.rows(select(second_factors)) == await api.rows(select(recovery_codes)) == []
    told = await api.rows(select(mails).where(mails.c.template == "second_factor_changed"))
    assert [mail["person_id"] for mail in told] == [person_id] * 2
    again = await browser(api)
    await sign_in(api, again, RUI)
    problem(await again.get("/staff/queue"), 403, "second_factor_enrolment_required")
    fresh, _ = await enrol(again)
    assert fresh != seed
    assert (await again.get("/staff/queue")).status_code == 200


async def test_nothing_to_reset_is_said_and_ends_nothing(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, RUI)
    with pytest.raises(EngineError, match="no second factor"):
        await reset_second_factor(api.db, RUI, datetime.now(UTC))
    with pytest.raises(EngineError, match="nobody"):
        await reset_second_factor(api.db, "nobody@people.example", datetime.now(UTC))
    assert (await client.get("/me")).status_code == 200


def test_the_command_is_there_and_says_what_is_wrong(sqlite_url: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "cli", "admin", "reset-second-factor", RUI],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DATABASE_URL": sqlite_url},
        check=False,
    )
    assert (told.returncode, told.stderr) == (cli.USAGE_ERROR, "kameng: nobody has that address\n")
