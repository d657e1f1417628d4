"""My certifications: what I was and am in this community, since when, until when, and why it ended."""

from sqlalchemy import Connection

from api.schemas.certificates import CertificationOut, TopicOut
from api.services.vetting import process_now
from db.repositories import certifications
from db.repositories.certifications import Led
from db.repositories.vetting import claim_of
from domain.credentials import is_expired
from domain.vetting.standing import Span, Standing, spans


def of_person(conn: Connection, person_id: str) -> list[CertificationOut]:
    """Read the times that somebody spent as provisional or certified leader, the newest first."""
    return [
        _out(led, span)
        for led in certifications.of_person(conn, person_id)
        for span in reversed(spans(led.entries))
    ]


def _out(led: Led, span: Span) -> CertificationOut:
    certified = span.standing is Standing.CERTIFIED
    lasting_trial = span.until is None and not certified
    return CertificationOut(
        standing=span.standing,
        application_id=led.application_id,
        headline=led.headline,
        since=span.since,
        until=span.until,
        planned_until=led.probation_ends_at if lasting_trial else None,
        ended_by=span.ended_by,
        reasons=list(span.reasons),
        tier=led.tier if certified else None,
        topics=_topics(led) if certified else [],
    )


def _topics(led: Led) -> list[TopicOut]:
    today = process_now(led).date()
    return [
        TopicOut(scope=claim.scope, expires_on=claim.expires_on, holds=not is_expired(claim, today))
        for claim in map(claim_of, led.claims)
    ]
