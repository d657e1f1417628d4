"""Whatever a model refuses by a code of its own has words in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.people import LOCALES
from locales import load

ROOT = Path(__file__).parent.parent.parent
PLACES = ("api", "contracts", "domain")


def calls(name: str) -> Iterator[ast.Call]:
    for file in (file for place in PLACES for file in sorted((ROOT / place).rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield node


@pytest.mark.parametrize("locale", LOCALES)
def test_every_code_of_a_refusal_has_words(locale: str):
    codes = {ast.literal_eval(call.args[0]) for call in calls("PydanticCustomError")}
    assert {"control_characters", "time_zone", "rating_incomplete"} <= codes
    known = load(locale).ids
    assert [code for code in sorted(codes) if f"field.{code}" not in known] == []
