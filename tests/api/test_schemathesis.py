"""The API does what its own document says, whatever is thrown at it, and never breaks."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from sqlalchemy import Connection, update

from api.app import create_app
from api.security.credentials import hashed, new_secret
from db.database import Database
from db.repositories import access, people
from db.repositories.people import NewPerson
from db.tables.campaigns import campaigns
from db.tables.vetting import applications
from domain.people import Role
from settings import Settings
from tests.api.test_ballots import open_ballot
from tests.support.campaigns import Campaign
from tests.support.served import Served
from tests.support.vetting_api import complete_draft, running_api

# It is made when it is first asked for, beside all other tests.
DOCUMENT_SECONDS = 60
MANY = {GenerationMode.POSITIVE: 5, GenerationMode.NEGATIVE: 8}
FEW = {GenerationMode.POSITIVE: 3, GenerationMode.NEGATIVE: 5}
EXAMPLES = MANY if os.environ.get("CI") else FEW
NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

# Two that are no JSON; and one that has to say 503, because no worker runs here.
LEFT_OUT = {"/metrics", "/docs", "/readyz"}
# What begins a process waits for a worker, for longer than the call does.
BEGINS = "/submit"


@pytest.fixture
def reachable(sqlite_url: str, temporal_address: str, settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "database_url": sqlite_url,
            "temporal_address": temporal_address,
            "writes_per_minute": 1_000_000,
            "sign_ins_per_client": 1_000_000,
        }
    )


def session_of(database_url: str, person_id: str) -> str:
    """Open a session that may do everything, and return its secret."""
    secret, now = new_secret(), datetime.now(UTC)

    def store(conn: Connection) -> None:
        access.open_session(
            conn,
            token_hash=hashed(secret),
            person_id=person_id,
            csrf_token="csrf",
            now=now,
            expires_at=now + timedelta(hours=1),
            second_factor_at=now,
        )

    _write(database_url, store)
    return secret


def everybody(database_url: str) -> str:
    """Add a person who holds every role; return the id."""
    now = datetime.now(UTC)

    def store(conn: Connection) -> str:
        # A member for long enough to be on the roll of a ballot.
        joined = now - timedelta(days=400)
        given = NewPerson("all@people.example", "All", "en", "UTC", joined)
        person, _ = people.find_or_create(conn, given, now)
        for role in Role:
            people.grant_role(conn, person.id, role, now)
        return person.id

    return str(_write(database_url, store))


def _write(database_url: str, fn: object) -> object:
    async def run() -> object:
        async with Database.connect(database_url) as db:
            return await db.write(fn)  # type: ignore[arg-type]

    return asyncio.run(run())


def operations(url: str) -> Iterator[APIOperation]:
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", timeout=DOCUMENT_SECONDS)
    # Made-up credentials beside the session would have half of the calls end at the door.
    schema.config.generation.update(with_security_parameters=False)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path not in LEFT_OUT:
            yield operation


def under_way(reachable: Settings, person_id: str) -> dict[str, str]:
    """Write what processes would: an application in review, an open ballot, a campaign on its second day.

    Returns the ids by the name of the path's parameter.
    """

    async def run() -> dict[str, str]:
        async with running_api(reachable) as api:
            ballot_id = await open_ballot(api, await api.user("candidate"))
            application = await complete_draft(await api.user("applicant"))
            at_review = {"status": "credential_review", "stage": "first_review", "waiting_on": "reviewer"}
            mine = applications.c.id == application["id"]
            await api.execute(update(applications).where(mine).values(revision=1, **at_review))
            campaign = await Campaign.at(api.db, day=1, leader=person_id)
            started = {"starts_at": datetime.now(UTC) - timedelta(days=1)}
            await api.execute(update(campaigns).where(campaigns.c.id == campaign.id).values(**started))
            assert await campaign.enrol(person_id) == "enrolled"
            check_in = await campaign.check_in(person_id)
            await campaign.go(2)
            return {
                "application_id": application["id"],
                "ballot_id": ballot_id,
                "campaign_id": campaign.id,
                "check_in_id": check_in.id,
            }

    return asyncio.run(run())


def drafts(url: str, headers: dict[str, str]) -> dict[str, str]:
    """Draft an application and a campaign; return their ids by the name of the path's parameter."""
    starts_on = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    wanted = {
        "application_id": ("/applications", {"headline": "Teaches plain cooking"}),
        "campaign_id": ("/campaigns", {"template": "learning_plan", "starts_on": starts_on}),
    }
    found = {}
    for name, (path, body) in wanted.items():
        answer = httpx2.post(f"{url}/api/v1{path}", json=body, headers=headers)
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 201:
            found[name] = answer.json()["id"]
    return found


def throw(
    operation: APIOperation,
    mode: GenerationMode,
    url: str,
    headers: dict[str, str],
    known: Sequence[dict[str, str]],
) -> Counter[int]:
    """Call ``operation`` with generated input, two times of three on what is ``known`` to be there.

    Each answer is held against the document; returned is how many had which status.
    """
    answered: Counter[int] = Counter()
    chosen: list[Any] = [CHECKS.get_one(name) for name in NAMES]

    @examples(
        max_examples=EXAMPLES[mode],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.sampled_from([{}, *known]))
    def one(case: Case, there: dict[str, str]) -> None:
        if case.path_parameters and not operation.path.endswith(BEGINS):
            case.path_parameters |= {name: there[name] for name in case.path_parameters if name in there}
        answer = case.call(base_url=url, headers=headers)
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=chosen)

    one()
    return answered


def test_nothing_that_fits_or_does_not_breaks_it(reachable: Settings) -> None:
    load_all_checks()
    person = everybody(reachable.database_url)
    going = under_way(reachable, person)
    drafted: dict[str, str] = {}
    failures: list[str] = []
    statuses: Counter[int] = Counter()
    walked = 0
    with Served(create_app(reachable)) as served:
        for operation in operations(served.url):
            # Signing out is among the operations, and deleting a draft: each gets what is its own.
            secret = session_of(reachable.database_url, person)
            headers = {"Cookie": f"kameng_session={secret}", "Sec-Fetch-Site": "same-origin"}
            drafted |= drafts(served.url, headers)
            for mode in EXAMPLES:
                walked += 1
                try:
                    statuses += throw(operation, mode, served.url, headers, [drafted, going])
                except Unsatisfiable:
                    # Nothing can be wrong with a call that takes nothing.
                    continue
                except FailureGroup as error:
                    failures += [f"{operation.label} {mode.value}: {found}" for found in error.exceptions]
    assert not failures, "\n\n".join(failures)
    assert walked > 80
    # Most of them come past the door, and some do what they ask for.
    assert statuses[401] < statuses.total() / 10, statuses
    assert statuses[200] + statuses[201] + statuses[204] > statuses.total() / 10, statuses
