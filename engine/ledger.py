"""Commands on the ledger of points: ``kameng ledger verify``."""

from collections.abc import Callable
from typing import Final

import typer

from db.database import Database
from db.repositories.point_checks import CHECKS, MOST_SHOWN, Proof
from engine.on_database import on_database
from settings import load_settings

Report = Callable[[str], None]

_PROVED: Final = {
    "balanced": ("transfers", "sum to zero over two postings or more"),
    "homeless": ("postings", "belong to a transfer and an account"),
    "balances": ("balances", "are the sum of their postings"),
    "solvent": ("accounts", "hold nothing below zero, but for what was issued"),
    "keys": ("transfers", "have a key of their own"),
    "reversals": ("reversals", "mirror one transfer that no other undoes"),
    "days": ("sums of days", "are what the transfers moved"),
}
"""What each check looks at, and what holds if it finds nothing."""


async def verify(db: Database, report: Report) -> int:
    """Run every check and report it line by line; return how many rows are wrong."""
    wrong = 0
    for check in CHECKS:
        # A snapshot each: on a large ledger one for all would be held for minutes.
        proof = await db.read(check)
        wrong += proof.wrong
        for line in _lines(proof):
            report(line)
    return wrong


def _lines(proof: Proof) -> list[str]:
    what, holds = _PROVED[proof.name]
    if not proof.wrong:
        return [f"ok    {proof.examined:,} {what} {holds}"]
    lines = [f"fail  {proof.wrong:,} wrong: not all {proof.examined:,} {what} {holds}"]
    lines += [f"      {finding.what}: {finding.detail}" for finding in proof.findings]
    if proof.wrong > MOST_SHOWN:
        lines.append(f"      … and {proof.wrong - MOST_SHOWN:,} more")
    return lines


def verify_command() -> None:
    """Prove that the ledger is whole; exits with 1 if anything is wrong."""
    wrong = on_database(load_settings().database_url, lambda db: verify(db, typer.echo))
    typer.echo(f"{wrong:,} wrong" if wrong else "the ledger is whole")
    if wrong:
        raise typer.Exit(1)
