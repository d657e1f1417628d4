"""Whatever a process writes into its timeline has words in both languages, for the pages that show it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.repositories.campaign_stories import DAILY
from domain.people import LOCALES
from domain.vetting.terms import ProbationDecision, ReviewDecision
from locales import load

ROOT = Path(__file__).parent.parent.parent
FAMILIES = {"review_": ReviewDecision, "probation_": ProbationDecision}


def codes(*places: str) -> set[str]:
    """Return the codes that the modules under ``places`` note."""
    files = [file for place in places for file in sorted(ROOT.glob(place))]
    return {code for file in files for code in _noted(ast.parse(file.read_text("utf-8")))}


def _noted(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "note"
            ):
                yield from _values(call.args[2], function)


def _values(code: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    match code:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=[ast.Constant(value=str(family)), ast.FormattedValue()]):
            yield from (family + one.value for one in FAMILIES[family])
        case ast.IfExp(body=one, orelse=other):
            yield from (*_values(one, function), *_values(other, function))
        case ast.Name(id=name):
            given = [
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
            ]
            yield from (text for value in given for text in _values(value, function))
        case _:
            raise AssertionError(f"what is noted here? {ast.unparse(code)}")


@pytest.mark.parametrize("locale", LOCALES)
def test_a_campaign_s_story_has_words_for_all_that_is_noted(locale: str):
    # Given to the one function that notes what could not be sent.
    found = codes("domain/campaigns/*.py") | {"notice_failed", "reminder_failed"}
    assert {"campaign_settled", "campaign_cancelled_settled", "amnesty_declared"} <= found
    known = load(locale).ids
    assert [code for code in sorted(found - set(DAILY)) if f"page.story.{code}" not in known] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_an_application_s_timeline_has_words_for_all_that_is_noted(locale: str):
    found = codes("domain/vetting/*.py", "workflows/vetting_orders.py")
    assert {"certified", "review_approve", "probation_extend", "roll_mail_failed"} <= found
    known = load(locale).ids
    assert [code for code in sorted(found) if f"page.entry.{code}" not in known] == []
