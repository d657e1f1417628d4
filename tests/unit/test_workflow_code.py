"""Workflow code and the rules behind it do nothing that a replay would not do again in the same way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "workflows").rglob("*.py"), *(ROOT / "domain").rglob("*.py")])

# Only these of the standard library, and of others: whoever adds one looks here first.
ALLOWED = {
    "asyncio", "base64", "bisect", "collections", "contextlib", "dataclasses", "datetime", "enum",
    "fractions", "functools", "hashlib", "itertools", "math", "re", "typing", "unicodedata", "urllib", "uuid",
    # Reads the machine's rules of clock changes: see docs/decisions on the days of a campaign.
    "zoneinfo",
    # The core of the one before: a refusal of a model with a code of its own.
    "pydantic", "pydantic_core", "temporalio", "uuid_utils",
    "activities", "contracts", "domain", "workflows",
}  # fmt: skip
FORBIDDEN_CALLS = {
    "now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep", "open", "input", "print",
    "urandom",
    "random", "randint", "choice", "shuffle", "token_hex", "token_urlsafe", "uuid1", "uuid4", "uuid7",
    "create_task", "as_completed", "wait", "to_thread", "run_in_executor", "getenv",
}  # fmt: skip
# Those that would walk a set in its own order, which is another one in another process.
ORDERED = {"list", "tuple", "enumerate", "iter", "zip", "map", "reversed"}
# Those that say the same of whatever order they are given.
ORDERLESS = {"sum", "min", "max", "any", "all", "len", "set", "frozenset", "sorted"}
# ``workflow.now`` is the process's clock; ``domain.ids`` makes ids, and no workflow may ask it for new ones.
# ``time`` here is a time of day: the module of that name is not among the imports.
EXCEPTIONS = {("workflows", "workflow.now"), ("domain", "uuid_utils.uuid7"), ("domain", "time")}


def calls(tree: ast.AST) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def offences(source: str, package: str) -> list[str]:
    """What in ``source`` a replay might not repeat."""
    tree = ast.parse(source)
    strange = sorted(imports(tree) - ALLOWED)
    impure = [
        name
        for name in calls(tree)
        if name.rpartition(".")[2] in FORBIDDEN_CALLS and (package, name) not in EXCEPTIONS
    ]
    over_sets = [ast.unparse(walked) for walked in iterated(tree) if is_set(walked)]
    return [*strange, *impure, *over_sets]


def is_set(node: ast.AST) -> bool:
    """Tell whether what is written there is a set."""
    made = isinstance(node, ast.Call) and ast.unparse(node.func) in {"set", "frozenset"}
    return made or isinstance(node, ast.Set | ast.SetComp)


def iterated(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is gone through in an order that may matter."""
    whole = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    free = {given for call in whole if ast.unparse(call.func) in ORDERLESS for given in call.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and node not in free:
            yield from (part.iter for part in node.generators)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ORDERED:
            yield from node.args
        elif isinstance(node, ast.Starred):
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_repeatable(path: Path) -> None:
    assert not offences(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parts[0])


def test_workflows_make_no_ids_of_their_own() -> None:
    """``derived_id`` gives the same id in every replay; ``new_id`` would not."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "workflows").rglob("*.py")]
    sources += [path.read_text(encoding="utf-8") for path in (ROOT / "domain" / "vetting").rglob("*.py")]
    assert not [source for source in sources if "new_id" in source]


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "import os",
        "from datetime import datetime\nat = datetime.now()",
        "import time\ntime.sleep(1)",
        "import uuid\nuuid.uuid4()",
        "for one in {1, 2}: pass",
        "import asyncio\nasyncio.as_completed([])",
        "import asyncio\nasyncio.wait([])",
        "from asyncio import wait\nwait([])",
        "for one in set(those): pass",
        "those = [one for one in frozenset(others)]",
        "those = {one: 1 for one in {two for two in others}}",
        "those = list(set(others))",
        "those = [*set(others)]",
    ],
)
def test_offence_is_found(source: str) -> None:
    assert offences(source, "workflows")


@pytest.mark.parametrize(
    "source",
    [
        "for one in sorted(set(those)): pass",
        "many = len(set(those))",
        "many = sum(len(one) for one in set(those))",
        "import asyncio\nasyncio.wait_for(those, 1)",
        "from temporalio import workflow\nworkflow.wait_condition(those)",
    ],
)
def test_what_is_repeatable_is_let_through(source: str) -> None:
    assert not offences(source, "workflows")
