"""Printing results and writing them to files."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import describe
from bench.measure import Result

RESULTS = Path(__file__).parent / "results"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _verdict(result: Result) -> str:
    return {True: "met", False: "MISSED", None: "–"}[result.met]


def _cells(result: Result) -> list[str]:
    name = f"{result.row}. {result.what}"
    if result.missing:
        return [name, result.against, "–", "–", "–", "–", f"not measured: {result.missing}"]
    ours = theirs = ratio = "–"
    if result.ours:
        ours, theirs = (f"{_number(median(v))} {result.unit}" for v in (result.ours, result.theirs))
        ratio = f"{result.ratio:.2f}"
    return [
        name,
        result.against,
        ours,
        theirs,
        ratio,
        result.target if result.ours else "–",
        _verdict(result),
    ]


def lines_of(result: Result) -> list[str]:
    """Return what is printed when a row is done."""
    name, against, ours, theirs, ratio, target, verdict = _cells(result)
    lines = [
        f"{name}",
        f"    {ours}  against  {theirs} ({against})",
        f"    ratio {ratio}, target {target}: {verdict}",
    ]
    if not result.ours:
        lines = [name, f"    {verdict}" if result.missing else f"    {against}: {verdict}"]
    lines += [
        f"    {'ok' if check.met else 'NOT MET'}: {check.what}: {check.found}" for check in result.checks
    ]
    return lines + ([f"    {result.note}"] if result.note else [])


def markdown(document: dict[str, Any]) -> str:
    """Return the table as a page."""
    machine, results = document["machine"], [Result.from_document(found) for found in document["results"]]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    runs: dict[tuple[str, float], set[int]] = defaultdict(set)
    for one in document["results"]:
        runs[one["at"], one["load_average"]].add(one["row"])
    lines = [
        "# Measured",
        "",
        f"The newest run of each row. The last was on {where};",
        f"Python {machine['python']}, SQLite {machine['sqlite']}, {packages}.",
        *(
            f"Rows {', '.join(map(str, sorted(rows)))}: "
            f"{at[:10]} until {at[11:16]} UTC, load average {load} before."
            for (at, load), rows in sorted(runs.items())
        ),
        "Medians of pairs measured in turn; the ratio is the median of the pairs' ratios.",
        "",
        "| what | against | ours | theirs | ratio | target | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += ["| " + " | ".join(_cells(result)) + " |" for result in results]
    for result in results:
        if result.checks or result.note:
            lines += ["", f"**{result.row}. {result.what}.** {result.note}".rstrip()]
        if result.checks:
            lines += ["", *(f"- {'ok' if c.met else 'NOT MET'}: {c.what}: {c.found}" for c in result.checks)]
    return "\n".join(lines) + "\n"


def write(results: Sequence[Result], load: float | None) -> list[Path]:
    """Write ``<date>.json`` and, with the newest run of each row of all days, ``latest.md``.

    Rows that were not measured now stay as the day's earlier runs left them.
    """
    at = datetime.now(UTC)
    dated, latest = RESULTS / f"{at:%Y-%m-%d}.json", RESULTS / "latest.md"
    earlier = json.loads(dated.read_text())["results"] if dated.exists() else []
    now = {result.row for result in results}
    run = {"at": at.isoformat(timespec="seconds"), "load_average": load}
    found = [one for one in earlier if one["row"] not in now]
    found += [result.document() | run for result in results]
    document = {
        "machine": describe(),
        "results": sorted(found, key=lambda one: one["row"]),
    }
    RESULTS.mkdir(exist_ok=True)
    dated.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    latest.write_text(markdown(document | {"results": _newest()}))
    return [dated, latest]


def _newest() -> list[dict[str, Any]]:
    rows: dict[int, list[dict[str, Any]]] = {}
    for dated in sorted(RESULTS.glob("*.json")):
        of_day: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in json.loads(dated.read_text())["results"]:
            of_day[one["row"]].append(one)
        rows |= of_day
    return [one for row in sorted(rows) for one in rows[row]]
