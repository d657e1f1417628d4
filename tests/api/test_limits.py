"""Every field of every call at its limits and beyond: what does not fit is told by name, and leaves nothing.

The fields and their limits come from the API's own document, so a call that is added is walked as well.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest
from itsdangerous import URLSafeSerializer

from api.access import SAFE, Access
from api.app import create_app
from domain.campaigns.templates import TemplateCode
from domain.people import LOCALES
from settings import Settings
from tests.api.test_page_objects import CERTIFICATE, Things, things_of
from tests.support.browser import OWN_PAGE
from tests.support.limits import (
    LINES,
    SOME_ID,
    UNFORESEEN,
    Document,
    Place,
    Schema,
    at,
    beyond,
    boundless,
    replaced,
    within,
)
from tests.support.town import NOBODY, SITE, Asker, Town, named, running_town

# Calls that change something and take no JSON, and where their input is tried.
WITHOUT_BODY: Final = {
    ("POST", "/api/v1/applications/{application_id}/documents"): "a file: test_documents.py",
    ("POST", "/api/v1/auth/second-factor"): "takes nothing",
    ("POST", "/api/v1/campaign-templates/{code}/restore"): "takes nothing",
    ("POST", "/api/v1/campaigns/{campaign_id}/pictures"): "a file: test_check_in_pictures.py",
    ("POST", "/api/v1/mail/sendgrid/events"): "signed by the provider: tests/mail",
    ("POST", "/api/v1/mail/unsubscribe/{token}"): "what a mail program sends; only the link counts",
}

# Answered to people who come from a mail: by a page.
BY_A_PAGE: Final = "/api/v1/mail/unsubscribe/{token}"

# Fields whose wrong values are not refused by name, and why.
LEFT_OUT: Final = {
    ("POST", "/api/v1/contributions", "items[0]"): "each item is told its own outcome, the good ones go in",
}

# Texts of several lines; every other text is one line.
LINES_WELCOME: Final = {"bio", "statement", "note", "reason", "description", "task"}

# Fields of which more is asked than a schema can say, so that what fits it may still be refused.
JUDGED_FURTHER: Final = {"document_ids": "documents of one's own", "proofs": "each kind once"}

# Fields that go with some values of others only.
ASIDE: Final = {
    "POST /api/v1/applications/{application_id}/violations": {"violation_id"},
    "POST /api/v1/campaigns/{campaign_id}/checkins": {"makeup_for_day", "picture_id"},
    "POST /api/v1/campaigns/{campaign_id}/invitations": {"email"},
    "POST /api/v1/contributions": {"person_id", "hours_to_answer", "stars", "answers_reference"},
}

# Calls that name the version that they change.
VERSIONED: Final = {"PUT /api/v1/policies/campaigns", "PUT /api/v1/policies/vetting"}

FAR_AWAY: Final = {
    "date": ("0001-01-01", "9999-12-31"),
    "date-time": ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-12-31T23:59:60Z"),
}

KEYS: Final = {"texts": LOCALES}


@dataclass
class Call:
    """A call and how it is sent: by somebody who may, on an object that is there."""

    entry: Access
    operation: Schema
    headers: dict[str, str]

    @property
    def label(self) -> str:
        return f"{self.entry.method} {self.entry.path}"


class Walk:
    """Sends calls in a town, by one client."""

    def __init__(self, town: Town, things: Things, client: httpx2.AsyncClient) -> None:
        self.town = town
        self.things = things
        self._client = client
        self.document = Document(town.api.app.openapi(), KEYS)

    async def calls(self) -> list[Call]:
        """Return every call of the document."""
        entries = {(entry.method, entry.path): entry for entry in self.town.api.app.state.access}
        found = []
        for method, path, operation in self.document.operations():
            entry = entries[method, path]
            shown = {} if entry.rule.public else await self.town.shown(may(self.town, entry))
            found.append(Call(entry, operation, {**OWN_PAGE, **shown}))
        return found

    def places(self, call: Call) -> Iterator[tuple[Place, Any]]:
        """Return every place in the bodies of a call, each in a whole body."""
        if (schema := self.document.body_of(call.operation)) is not None:
            for place in self.document.places(schema):
                yield place, self.document.example(schema, place.choices)

    def path(self, call: Call, **things: str) -> str:
        """Return a path of the call that leads to something, but for ``things``."""
        code = TemplateCode.LEARNING_PLAN.value if "-templates/" in call.entry.path else CERTIFICATE
        known = {"code": code}
        if call.entry.rule.owner is None:
            known |= self.things.owners | {"campaign_id": self.things.campaign.id} | known
        return self.town.path(call.entry.path, **known | things)

    async def send(self, call: Call, body: Any, path: str | None = None, **headers: str) -> httpx2.Response:
        """Send ``body`` as JSON, even what JSON has no words for."""
        return await self.send_raw(
            call,
            b"" if body is None and call.entry.method in SAFE else json.dumps(body).encode(),
            path,
            **headers,
        )

    async def send_fitting(self, call: Call, body: Any, place: Place) -> httpx2.Response:
        """Send ``body`` without what goes with other fields only, on the version that is there."""
        headers = {}
        if call.entry.method in {"PATCH", "PUT"}:
            there = await self._client.get(self.path(call), headers=call.headers)
            headers = {"If-Match": there.headers.get("etag", '"v1"')}
            if call.label in VERSIONED and place.field != "expected_version":
                body = body | {"expected_version": there.json()["version"]}
        if isinstance(body, dict) and (aside := ASIDE.get(call.label)) and place.field not in aside:
            body = {key: value for key, value in body.items() if key not in aside}
        return await self.send(call, body, **headers)

    async def send_raw(
        self, call: Call, content: bytes, path: str | None = None, **headers: str
    ) -> httpx2.Response:
        """Send bytes."""
        return await self._client.request(
            call.entry.method,
            self.path(call) if path is None else path,
            content=content or None,
            headers={"Content-Type": "application/json", **call.headers, **headers},
        )

    async def contents(self) -> dict[str, list[str]]:
        """Return all rows but the counters of tries."""
        found = await self.town.contents()
        del found["rate_counters"]
        return found


def may(town: Town, entry: Access) -> Asker:
    """Return whose the object is, or else somebody who gets past the rule."""
    if entry.rule.owner is not None:
        return town.owner
    return next(one for one in [town.owner, *town.askers] if named(entry, one))


@asynccontextmanager
async def walking(url: str, settings: Settings) -> AsyncIterator[Walk]:
    async with running_town(url, settings) as town:
        town.api.app.state.parts.draining.set()
        transport = httpx2.ASGITransport(app=town.api.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=SITE) as client:
            yield Walk(town, await things_of(town, settings), client)


@pytest.fixture
async def walk(sqlite_url: str, settings: Settings) -> AsyncIterator[Walk]:
    async with walking(sqlite_url, settings) as walk:
        yield walk


def left_out(call: Call, place: Place) -> bool:
    return any(
        (call.entry.method, call.entry.path) == (method, path) and place.name.startswith(field)
        for method, path, field in LEFT_OUT
    )


def misfits(place: Place, valid: Any) -> Iterator[tuple[str, Any]]:
    yield from beyond(place, valid)
    form = place.schema
    if form.get("type") == "string" and place.field not in LINES_WELCOME:
        yield "several lines", LINES
    if form.get("type") == "object" and form.get("additionalProperties") is not True:
        yield "an unknown member", {**valid, UNFORESEEN: 1}


def told(answer: httpx2.Response) -> list[str]:
    """Return the fields that a problem names; nothing for an answer that is no problem."""
    if answer.headers.get("content-type") != "application/problem+json":
        return []
    return [error["field"] for error in answer.json().get("errors", ())]


def names(place: Place, word: str, fields: list[str]) -> bool:
    """Tell whether ``fields`` say which place is wrong, and nothing else is.

    Of what has several forms no more may be known than that none of them fits, or none of the one that was
    taken; and a list without its wrong item may be too short as well.
    """
    if word == "an unknown member":
        wanted = {UNFORESEEN if not place.path else f"{place.name}.{UNFORESEEN}"}
    else:
        wanted = {place.name}
    lists = {Place(place.path[:-1], {}).name} if place.path and place.path[-1] == 0 else set()
    forms = {Place(path, {}).name for path in place.choices if path}
    fitting = [any(field.startswith(one) for one in wanted | lists | forms) for field in fields]
    return any(fitting) if place.choices else any(fitting) and all(fitting)


def code_of(answer: httpx2.Response) -> str:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return str(answer.json()["code"]) if is_problem else ""


def bad_in_path(document: Document, parameter: Schema) -> Iterator[str]:
    yield from (
        "-",
        "%00",
        "%FF",
        "%0D%0AX:%20y",
        "a" * 600,
        "..%2F..",
        "%E2%80%AE",
        NOBODY.replace("1", "A"),
    )


def bad_in_query(document: Document, parameter: Schema) -> Iterator[str]:
    [form], _ = document.forms(parameter["schema"])
    yield "%00"
    if form["type"] == "integer":
        least, most = form["minimum"] - 1, form["maximum"] + 1
        yield from ("", "x", "1.5", "NaN", "9" * 400, "9" * 5000, str(least), str(most))
    if form["type"] == "boolean" or "enum" in form or "const" in form:
        yield from ("perhaps", "")
    if "maxLength" in form:
        yield "a" * (form["maxLength"] + 1)
    if "pattern" in form and form.get("minLength"):
        yield "z" * form["minLength"]
    if parameter["name"] == "cursor":
        yield from ("", "x", "WyJ4Il0.x", "a" * 1000, "%FF")


def bad_in_header(document: Document, parameter: Schema) -> Iterator[str]:
    if parameter["name"] == "Idempotency-Key":
        yield from ("", "two words", "a\tb")
    yield "a" * (parameter["schema"].get("maxLength", 128) + 1)


BAD: Final = {"path": bad_in_path, "query": bad_in_query, "header": bad_in_header}


def refused(call: Call, parameter: Schema, answer: httpx2.Response) -> bool:
    """Tell whether an answer is the problem that belongs to a wrong parameter."""
    if call.entry.path == BY_A_PAGE:
        return answer.status_code in {404, 422}
    if parameter["in"] == "path":
        named = answer.status_code == 422 and parameter["name"] in told(answer)
        return named or code_of(answer) == "not_found"
    if code_of(answer) in {"cursor_invalid", "idempotency_key_invalid"}:
        return True
    return answer.status_code == 422 and told(answer) == [parameter["name"].lower()]


@pytest.mark.slow
async def test_what_does_not_fit_is_told_by_name_and_leaves_nothing(walk: Walk) -> None:
    failures, sent = [], 0
    for call in await walk.calls():
        if not (places := list(walk.places(call))):
            continue
        before = await walk.contents()
        for place, whole in places:
            if left_out(call, place):
                continue
            for word, value in misfits(place, at(whole, place.path)):
                answer = await walk.send(call, replaced(whole, place.path, value))
                sent += 1
                if answer.status_code != 422 or not names(place, word, told(answer)):
                    said = (answer.status_code, told(answer) or answer.text[:200])
                    failures.append(f"{call.label} {place.name} {word}: {said}")
        after = await walk.contents()
        if changed := [table for table, rows in after.items() if rows != before[table]]:
            failures.append(f"{call.label} has stored something: {changed}")
    assert not failures, f"{len(failures)} of {sent}\n" + "\n".join(failures)
    assert sent > 1000


@pytest.mark.slow
async def test_what_fits_just_so_is_not_refused_for_it(database_url: str, settings: Settings) -> None:
    # A server that takes whatever a policy may allow.
    roomy = settings.model_copy(update={"upload_max_bytes": 100 * 2**20, "upload_max_files": 50})
    async with walking(database_url, roomy) as walk:
        await _send_what_fits(walk)


async def _send_what_fits(walk: Walk) -> None:
    failures: list[str] = []
    answered: Counter[int] = Counter()
    for call in await walk.calls():
        for place, whole in walk.places(call):
            for value in within(place, at(whole, place.path)):
                answer = await walk.send_fitting(call, replaced(whole, place.path, value), place)
                answered[answer.status_code] += 1
                named = place.name in told(answer) and place.field not in JUDGED_FURTHER
                if named or (answer.status_code >= 500 and answer.status_code != 503):
                    failures.append(f"{call.label} {place.name} {value!r:.40}: {answer.text[:300]}")
    assert not failures, "\n".join(failures)
    # Most of them lead to something, and many do what they ask for.
    assert answered[401] + answered[404] < answered.total() / 10, answered
    assert answered[200] + answered[201] > answered.total() / 3, answered


async def test_days_and_instants_far_away_never_break_anything(walk: Walk) -> None:
    for call in await walk.calls():
        for place, whole in walk.places(call):
            for value in FAR_AWAY.get(place.schema.get("format", ""), ()):
                answer = await walk.send(call, replaced(whole, place.path, value))
                assert answer.status_code < 500 or answer.status_code == 503, (call.label, place.name, value)


async def test_bodies_that_are_none_are_problems(walk: Walk) -> None:
    failures, calls = [], await walk.calls()
    before = await walk.contents()
    for call in calls:
        if walk.document.body_of(call.operation) is None:
            continue
        for content in (b"{", b'"', b"\xff\xfe", b"[" * 50_000, b"{} {}", b'{"a": 1e', b"\x00"):
            answer = await walk.send_raw(call, content)
            if answer.status_code != 400 or code_of(answer) != "unreadable_body":
                failures.append(f"{call.label} {content[:20]!r}: {answer.status_code} {answer.text[:200]}")
        answer = await walk.send_raw(call, b'{"a": 1}', **{"Content-Type": "text/plain"})
        if code_of(answer) != "unsupported_media_type":
            failures.append(f"{call.label} as text: {answer.status_code} {answer.text[:200]}")
    if await walk.contents() != before:
        failures.append("something was stored")
    assert not failures, "\n".join(failures)


@pytest.mark.slow
async def test_parameters_that_do_not_fit_are_problems(walk: Walk) -> None:
    failures, sent, calls = [], 0, await walk.calls()
    before = await walk.contents()
    for call in calls:
        schema = walk.document.body_of(call.operation)
        body = None if schema is None else walk.document.example(schema, {})
        for parameter in call.operation.get("parameters", ()):
            name, where = parameter["name"], parameter["in"]
            for value in BAD[where](walk.document, parameter):
                path = walk.path(call, **({name: value} if where == "path" else {}))
                path += f"?{name}={value}" if where == "query" else ""
                answer = await walk.send(call, body, path, **({name: value} if where == "header" else {}))
                sent += 1
                if not refused(call, parameter, answer):
                    failures.append(
                        f"{call.label} {name}={value[:30]}: {answer.status_code} {answer.text[:200]}"
                    )
    if await walk.contents() != before:
        failures.append("something was stored")
    assert not failures, f"{len(failures)} of {sent}\n" + "\n".join(failures)
    assert sent > 1000


async def test_a_cursor_leads_on_in_its_own_list_only(walk: Walk) -> None:
    """A cursor of another list is signed by us, and still none of this one's."""
    foreign = URLSafeSerializer(
        walk.town.api.app.state.settings.secret_key.get_secret_value(), salt="cursor:/api/v1/elsewhere"
    ).dumps([SOME_ID])
    lists = 0
    for call in await walk.calls():
        if any(parameter["name"] == "cursor" for parameter in call.operation.get("parameters", ())):
            lists += 1
            answer = await walk.send(call, None, f"{walk.path(call)}?cursor={foreign}")
            assert (answer.status_code, code_of(answer)) == (400, "cursor_invalid"), call.label
    assert lists > 10


def test_every_call_is_walked_or_left_out_by_name(settings: Settings) -> None:
    app = create_app(settings)
    document = Document(app.openapi(), KEYS)
    described = {(method, path): operation for method, path, operation in document.operations()}
    assert {(entry.method, entry.path) for entry in app.state.access} == set(described)
    silent = {
        call
        for call, operation in described.items()
        if call[0] in {"POST", "PUT", "PATCH"} and document.body_of(operation) is None
    }
    assert silent == set(WITHOUT_BODY)
    assert {(method, path) for method, path, _ in LEFT_OUT} <= set(described)


def test_every_input_has_an_end(settings: Settings) -> None:
    document, endless = Document(create_app(settings).openapi(), KEYS), set()
    for method, path, operation in document.operations():
        schema = document.body_of(operation)
        for place in [] if schema is None else document.places(schema):
            if boundless(place.schema):
                endless.add(f"{method} {path} {place.name}")
        for parameter in operation.get("parameters", ()):
            if any(boundless(form) for form in document.forms(parameter["schema"])[0]):
                endless.add(f"{method} {path} {parameter['in']} {parameter['name']}")
    assert not endless, "\n".join(sorted(endless))
