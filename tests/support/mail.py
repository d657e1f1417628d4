"""What tests of mail share: people to write to, letters with every value, and a configuration."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from contracts.mail import Letter, MailRequest
from db.repositories import mail
from db.tables.ballots import ballot_roll, ballots
from db.tables.mail import mails
from db.tables.people import people
from domain.ids import new_id
from domain.mail import MailTemplate
from domain.people import normalise_email
from mail.config import MailConfig
from mail.factory import build_renderer
from mail.rendering import Renderer
from mail.sealing import Sealer

SECRET_KEY = "a-secret-key-for-tests-of-mail-only-0123456789"
BASE_URL = "https://kameng.example"
APPLICATION, CANDIDATE, BALLOT, CAMPAIGN = (new_id() for _ in range(4))
ISO = "2026-11-29T06:30:00+00:00"

EVERYTHING: dict[str, Any] = {
    "application_id": APPLICATION,
    "ballot_id": BALLOT,
    "candidate_id": CANDIDATE,
    "deadline": ISO,
    "closes_at": ISO,
    "ends_at": ISO,
    "midterm_at": ISO,
    "since": ISO,
    "appeal_until": ISO,
    "reapply_after": ISO,
    "reasons": ["credentials_unproven", "no_quorum"],
    "targets": [
        {"target": "steady_output", "value": 0.75, "needed": 0.8, "met": False},
        {"target": "answers", "value": None, "needed": 0.7, "met": True},
        {"target": "rating", "value": 4.333, "needed": 4.0, "met": True},
        {"target": "conduct", "value": 0.0, "needed": 0.0, "met": True},
    ],
    "missed": ["rating", "answers"],
    "reason": "ended",
    "topics": ["finance", "Python"],
    "back_to": "member_vote",
    "stage": "first_review",
    "why": "disagreement",
    "counts_as": "first",
    "escalates_at": ISO,
    "status": "rejected",
    "recommendation": "extend",
    "minutes": 10,
    "campaign_id": CAMPAIGN,
    "title": "30 天学习计划",
    "inviter_id": CANDIDATE,
    "code": "Vj3kQ8sTn2bYx0LwPzR5aQ",
    "known": False,
    "address_hash": "0" * 64,
    "expires_at": ISO,
    "starts_at": ISO,
    "opens_at": ISO,
    "reserved": 12_600,
    "day": 12,
    "checked_in": 137,
    "streak": 11,
    "days_done": 26,
    "length_days": 30,
    "completed": True,
    "points": 1_250,
    "paid": 8_300,
    "members": 180,
    "certificate_code": "5f0c1d2e3a6b7c8d",
    "place": "active",
    "cancelled": False,
    "over": False,
    "begun": True,
    "added": 5,
    "rested": [3, 4],
}
"""Data that fits every template of vetting, and with ``OF_CAMPAIGN`` every one of campaigns."""

OF_CAMPAIGN: dict[str, Any] = {"reasons": ["rewards_too_high", "start_passed"], "missed": 3}
"""What campaigns call by a name that means something else in vetting."""

LIST_MAIL = frozenset(
    {
        MailTemplate.BALLOT_OPENED,
        MailTemplate.BALLOT_REMINDER,
        MailTemplate.BALLOT_EXTENDED,
        MailTemplate.CAMPAIGN_DIGEST,
        MailTemplate.CAMPAIGN_REMINDER,
        MailTemplate.CAMPAIGN_NUDGE,
        MailTemplate.CAMPAIGN_INVITATION,
    }
)
"""Letters that a reader can leave."""


def config(**values: Any) -> MailConfig:
    """Return a configuration of the outbox; ``values`` replace fields."""
    given = {
        "public_url": BASE_URL,
        "secret_key": SECRET_KEY,
        "mail_from": "kameng@kameng.example",
        "mail_from_name": "Kameng 卡盟",
        "mail_timeout_seconds": 5.0,
    }
    return MailConfig.model_validate(given | values)


def renderer() -> Renderer:
    """Return a renderer for ``BASE_URL``."""
    return build_renderer(config())


def sample(template: str) -> dict[str, Any]:
    """Return data that fits ``template``."""
    return EVERYTHING | OF_CAMPAIGN if template.startswith("campaign_") else EVERYTHING


def letter(template: str = MailTemplate.APPLICATION_RECEIVED, **values: Any) -> Letter:
    """Return a letter with every value that any template asks for; ``values`` replace fields."""
    given: dict[str, Any] = {
        "id": new_id(),
        "person_id": new_id(),
        "to_email": "reader@reader.example",
        "to_name": "林晓",
        "locale": "zh-CN",
        "time_zone": "Asia/Shanghai",
        "template": str(template),
        "data": sample(template),
        "list_mail": template in LIST_MAIL,
        "status": "sending",
        "attempts": 1,
        "claims": 1,
        "created_at": datetime.now(UTC),
        "names": {APPLICATION: "陈一鸣", CANDIDATE: "陈一鸣"},
    }
    if template == MailTemplate.SIGN_IN:
        given["secret_sealed"] = Sealer(SECRET_KEY).seal("tok_en-1").encode()
    return Letter(**(given | values))


def add_person(conn: Connection, email: str | None = None, **values: Any) -> str:
    """Insert a person and return the id."""
    person_id = new_id()
    address = email or f"{person_id}@people.example"
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "id": person_id,
        "email": address,
        "email_normalised": normalise_email(address),
        "display_name": "林晓",
        "locale": "zh-CN",
        "time_zone": "Asia/Shanghai",
        "status": "active",
        "good_standing": True,
        "list_mail": True,
        "joined_at": now,
        "created_at": now,
    }
    conn.execute(insert(people).values(given | values))
    return person_id


def add_ballot(conn: Connection, voters: list[str], *, voted: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """Insert a ballot with its roll, in the order of ``voters``, and return its id."""
    ballot_id, now = new_id(), datetime.now(UTC)
    conn.execute(
        insert(ballots).values(
            id=ballot_id,
            process_id="application/x",
            subject_id="x",
            kind="leader",
            candidate_id=voters[0],
            status="open",
            opens_at=now,
            closes_at=now + timedelta(days=7),
            roll_size=len(voters),
            quorum=5,
            quorum_share=0.1,
            approval_share=0.6,
        )
    )
    rows = [
        {"ballot_id": ballot_id, "person_id": person, "position": index, "has_voted": person in voted}
        for index, person in enumerate(voters)
    ]
    conn.execute(insert(ballot_roll), rows)
    return ballot_id


def queue_for(conn: Connection, person_id: str, count: int = 1, **values: Any) -> list[str]:
    """Queue ``count`` mails to a person; return their ids."""
    given: dict[str, Any] = {
        "template": MailTemplate.APPLICATION_WITHDRAWN,
        "person_id": person_id,
        "data": {"application_id": APPLICATION},
    }
    start = new_id()
    requests = [MailRequest(key=f"{start}:{index}", **(given | values)) for index in range(count)]
    mail.queue(conn, requests, datetime.now(UTC))
    ids = select(mails.c.id).where(mails.c.key.like(f"{start}:%")).order_by(mails.c.id)
    return list(conn.execute(ids).scalars())


def row_of(conn: Connection, mail_id: str) -> dict[str, Any]:
    """Return a row of ``mails``."""
    return dict(conn.execute(select(mails).where(mails.c.id == mail_id)).mappings().one())


def set_row(conn: Connection, mail_id: str, **values: Any) -> None:
    """Change a row of ``mails`` behind everybody's back."""
    conn.execute(update(mails).where(mails.c.id == mail_id).values(values))


def anchors(html: str) -> list[str]:
    """Return the addresses that ``html`` links to, in order."""
    return re.findall(r'<a [^>]*href="([^"]*)"', html)
