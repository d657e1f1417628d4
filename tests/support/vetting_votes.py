"""Votes as members cast them: by the transaction that the API casts them with."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from db.repositories import votes
from db.repositories.votes import CastVote, Vote
from domain.ballots import Choice
from tests.support.vetting import Case


async def cast(case: Case, ballot_id: str, voters: Sequence[str], choice: Choice) -> list[CastVote]:
    """Let ``voters`` vote in one transaction; return what became of each vote."""
    given = [Vote(ballot_id, voter, choice, secrets.token_hex(16)) for voter in voters]
    return await case.community.db.write(lambda conn: votes.cast(conn, given, datetime.now(UTC)))
