"""Certified leaders as everybody sees them: by topics that hold today, not by followers."""

from sqlalchemy import Connection

from api.schemas.ballots import LeaderOut
from api.services.vetting import process_now
from db.repositories import review_desk
from db.repositories.review_desk import Leader
from domain.credentials import CredentialClaim, active_topics


def certified(conn: Connection, after: str, limit: int) -> list[LeaderOut]:
    """Read up to ``limit`` leaders whose person's id is greater than ``after``."""
    return [_leader(row) for row in review_desk.certified_leaders(conn, after, limit)]


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
