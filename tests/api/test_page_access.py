"""Every page and every form, asked by everybody: who is named in its rule gets past it, and nobody else."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx2
import pytest

from api.access import SAFE, Access
from api.pages.policy import CAMPAIGN_EDITOR, VETTING_EDITOR, Editor, flat, written
from domain.campaigns.templates import TemplateCode
from domain.people import SECOND_FACTOR_ROLES
from locales import translate
from settings import Settings
from tests.support.browser import OWN_PAGE
from tests.support.town import Asker, Town, named, running_town

EVERYTHING = ("read", "write", "contributions:write")
NO_PROOF = (
    {"Accept-Language": "en"},
    {"Accept-Language": "en", "X-CSRF-Token": "guessed"},
    {"Accept-Language": "en", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Accept-Language": "en", "Sec-Fetch-Site": "same-site"},
    {"Accept-Language": "en", "Origin": "null"},
)
FOREIGN = NO_PROOF[2:]


def _policy(editor: Editor) -> dict[str, str]:
    numbers = {name: written(name, value) for name, value in flat(editor.defaults).items()}
    return {**numbers, "expected_version": "1", "note": "a"}


# Forms with which somebody who may changes something, so that it would be seen if somebody who may not did.
FORMS: dict[str, dict[str, str]] = {
    "/account": {"display_name": "Another", "locale": "en", "time_zone": "UTC"},
    "/account/tokens": {"name": "a program", "scopes": "read"},
    "/account/second-factor": {},
    "/account/sessions/end": {},
    "/applications/new": {},
    "/applications/{application_id}/edit/{step}": {"headline": "Another", "edit_version": "1"},
    "/sign-out": {},
    "/staff/campaign-policy": _policy(CAMPAIGN_EDITOR),
    "/staff/policy": _policy(VETTING_EDITOR),
    "/staff/pool/deposits": {"amount": "100", "source": "sponsorship", "reference": "A sponsor"},
    "/studio/campaigns/new": {"template": TemplateCode.LEARNING_PLAN.value, "starts_on": "2099-01-05"},
    "/studio/rehearsals/{rehearsal_id}/cancel": {},
}


@pytest.fixture
async def town(sqlite_url: str, settings: Settings) -> AsyncIterator[Town]:
    async with running_town(sqlite_url, settings) as running:
        # Streams of events end with their first sign of life.
        running.api.app.state.parts.draining.set()
        yield running


def pages(town: Town, *, public: bool = False) -> list[Access]:
    return [entry for entry in town.api.app.state.page_access if entry.rule.public is public]


def path_of(town: Town, entry: Access, **things: str) -> str:
    step = "profile" if "/edit/" in entry.path else "feature" if "/notes/" in entry.path else "pause"
    code = TemplateCode.LEARNING_PLAN.value if "/templates/" in entry.path else "x"
    return town.path(entry.path, **{"step": step, "code": code, "number": "1"} | things)


async def ask(town: Town, entry: Access, headers: dict[str, str], **things: str) -> httpx2.Response:
    """Open a page or send its form."""
    data = None if entry.method in SAFE else FORMS.get(entry.path, {})
    return await town.send(entry.method, path_of(town, entry, **things), headers, data=data)


def refusal(answer: httpx2.Response) -> str:
    """Return the code of a refusal that a page tells, and of nothing else."""
    if answer.status_code == 303:
        way = answer.headers["location"].partition("?")[0]
        return {"/sign-in": "sign_in_required", "/account/second-factor": "second_factor"}.get(way, "")
    heading = re.search(r"<h1>(.*?)</h1>", answer.text)
    for code in ("forbidden", "not_found", "cross_site_request", "scope_missing", "session_required"):
        if heading is not None and heading[1] == translate("en", f"problem.{code}.title"):
            return code
    return ""


def where(entry: Access, asker: Asker | None, answer: httpx2.Response) -> tuple[object, ...]:
    return entry.method, entry.path, asker and asker.name, answer.status_code, answer.text[-1500:]


def may(town: Town, entry: Access) -> Asker:
    """Return somebody who gets past the rule."""
    return next((one for one in [town.owner, *town.askers] if named(entry, one)), town.owner)


async def test_strangers_are_led_to_the_sign_in(town: Town) -> None:
    before = await town.contents()
    for entry in pages(town):
        answer = await ask(town, entry, OWN_PAGE)
        back = path_of(town, entry) if entry.method in SAFE else "/"
        assert answer.status_code == 303, where(entry, None, answer)
        assert answer.headers["location"] == f"/sign-in?next={quote(back)}", entry
    assert await town.contents() == before


@pytest.mark.slow
async def test_who_is_not_named_is_refused_and_changes_nothing(town: Town) -> None:
    askers = [(asker, OWN_PAGE | await town.shown(asker)) for asker in town.askers]
    before = await town.contents()
    for entry in pages(town):
        for asker, shown in askers:
            if named(entry, asker):
                continue
            answer = await ask(town, entry, shown)
            code = "forbidden" if entry.rule.owner is None else "not_found"
            status = 403 if entry.rule.owner is None else 404
            assert (answer.status_code, refusal(answer)) == (status, code), where(entry, asker, answer)
        assert await town.contents() == before, entry


async def test_who_is_named_gets_past_the_rule(town: Town) -> None:
    changing = set()
    for entry in pages(town):
        for asker in [*town.askers, town.owner]:
            if not named(entry, asker) and not (asker is town.owner and entry.rule.owner):
                continue
            shown = OWN_PAGE | await town.shown(asker)
            before = await town.contents() if entry.path in FORMS else {}
            answer = await ask(town, entry, shown)
            gone = asker is town.owner and refusal(answer) == "not_found" and entry.rule.owner is not None
            assert refusal(answer) in {"", "not_found"}, where(entry, asker, answer)
            assert not gone or "{document_id}" in entry.path or "{check_in_id}" in entry.path, entry
            assert answer.status_code < 500 or answer.status_code == 503, where(entry, asker, answer)
            if entry.method == "POST" and entry.path in FORMS and await town.contents() != before:
                changing.add(entry.path)
    assert changing == set(FORMS)


async def test_pages_for_everybody_are_shown_to_everybody(town: Town) -> None:
    for entry in pages(town, public=True):
        for asker in (None, town.owner, town.askers[-1]):
            answer = await ask(town, entry, OWN_PAGE | await town.shown(asker))
            assert refusal(answer) in {"", "not_found"}, where(entry, asker, answer)
            assert answer.status_code < 500 or answer.status_code == 503, where(entry, asker, answer)


async def test_staff_pages_wait_for_the_second_factor(town: Town) -> None:
    staff = [
        (asker, OWN_PAGE | await town.shown(Asker(asker.name, asker.person_id, asker.roles, False)))
        for asker in town.askers
    ]
    before = await town.contents()
    for entry in pages(town):
        if not entry.rule.roles or not entry.rule.roles <= SECOND_FACTOR_ROLES:
            continue
        for asker, shown in staff:
            if asker.roles & entry.rule.roles:
                answer = await ask(town, entry, shown)
                assert refusal(answer) == "second_factor", where(entry, asker, answer)
    assert await town.contents() == before


@pytest.mark.slow
async def test_a_form_without_proof_that_it_is_ours_is_refused_and_changes_nothing(town: Town) -> None:
    sent = [(entry, await town.shown(may(town, entry))) for entry in pages(town) if entry.method not in SAFE]
    before = await town.contents()
    for entry, shown in sent:
        for proof in NO_PROOF:
            answer = await ask(town, entry, proof | shown)
            said = (answer.status_code, refusal(answer))
            assert said == (403, "cross_site_request"), (proof, where(entry, None, answer))
        assert await town.contents() == before, entry


async def test_a_form_for_everybody_is_not_taken_from_another_site(town: Town) -> None:
    signed_in = await town.shown(town.owner)
    before = await town.contents()
    for entry in pages(town, public=True):
        for proof in () if entry.method in SAFE else FOREIGN:
            for shown in ({}, signed_in):
                answer = await ask(town, entry, proof | shown)
                said = (answer.status_code, refusal(answer))
                assert said == (403, "cross_site_request"), (proof, where(entry, None, answer))
    for path in ("/language", "/i/x"):
        # What knows who is signed in asks for the proof besides.
        answer = await town.send("POST", path, NO_PROOF[0] | signed_in, data={"locale": "zh-CN"})
        assert (answer.status_code, refusal(answer)) == (403, "cross_site_request"), path
    assert await town.contents() == before


async def test_tokens_keep_to_their_scope_on_pages_too(town: Town) -> None:
    admin = next(asker for asker in town.askers if asker.name == "admin")
    shown = {
        needed: await town.shown(admin, [scope for scope in EVERYTHING if scope != needed])
        for needed in EVERYTHING
    }
    before = await town.contents()
    for entry in pages(town):
        assert entry.rule.scope is None
        answer = await ask(town, entry, OWN_PAGE | shown["read" if entry.method in SAFE else "write"])
        code = "session_required" if entry.rule.session_only else "scope_missing"
        assert (answer.status_code, refusal(answer)) == (403, code), where(entry, admin, answer)
    assert await town.contents() == before
