"""Certified leaders as everybody sees them: by topics that hold today, not by followers."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.schemas.ballots import LeaderOut
from api.services.vetting import process_now
from db.repositories import review_desk
from db.repositories.review_desk import Leader, LeaderPlace
from domain.credentials import CredentialClaim, active_topics


def certified(conn: Connection, after: list[Any] | None, limit: int) -> list[LeaderOut]:
    """Read up to ``limit`` leaders, the newest first, from after the place that a cursor holds."""
    place = None if after is None else LeaderPlace(datetime.fromisoformat(after[0]), str(after[1]))
    return [_leader(row) for row in review_desk.certified_leaders(conn, place, limit)]


def place_of(leader: LeaderOut) -> list[str]:
    """Return the place of a leader in the list, as a cursor holds it."""
    return [leader.since.isoformat(), leader.person_id]


def _leader(row: Leader) -> LeaderOut:
    claims = [
        CredentialClaim(id=claim.id, scope=claim.scope, issuer=claim.issuer, expires_on=claim.expires_on)
        for claim in row.claims
    ]
    return LeaderOut(
        person_id=row.person_id,
        display_name=row.display_name,
        topics=list(active_topics(claims, process_now(row).date())),
        since=row.since,
        tier=row.tier,
    )
