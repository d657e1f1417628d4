"""The second factor: enrol, confirm, verify, remove."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from api.problems import Problem
from api.security import limits, totp
from api.security.credentials import hashed, new_secret
from api.security.gate import Actor
from contracts.mail import MailRequest
from db.database import Database
from db.repositories import access, mail, second_factors
from domain.ids import new_id
from domain.mail import MailTemplate
from mail.sealing import Sealer

TRIES = 10
"""Codes that one person may try in a quarter of an hour; a guess has 3 chances in a million."""


@dataclass(frozen=True)
class Enrolment:
    """A secret to put into an authenticator, as text and as the address behind a QR code."""

    seed: str
    uri: str


@dataclass(frozen=True)
class Rotated:
    """The new secrets of a session that passed its second factor, and fresh recovery codes if any."""

    secret: str
    csrf_token: str
    recovery_codes: tuple[str, ...] = ()


class SecondFactors:
    """Second factors of people, on one database and under one sealing key."""

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._db = db
        self._sealer = sealer

    async def enrol(self, actor: Actor) -> Enrolment:
        """Begin to set one up. Raises ``Problem`` if one counts already."""
        seed = totp.new_seed()
        sealed = self._sealer.seal(seed).encode()

        def begin(conn: Connection) -> None:
            present = second_factors.get(conn, actor.person_id)
            if present is not None and present.confirmed_at is not None:
                raise Problem("second_factor_exists")
            second_factors.begin(conn, actor.person_id, sealed, datetime.now(UTC))

        await self._db.write(begin)
        return Enrolment(seed, totp.uri(seed, actor.email))

    async def confirm(self, actor: Actor, code: str) -> Rotated:
        """Prove the secret by a first code: it counts from now on, and this session has passed it."""
        await self._count(actor.person_id)
        rotated = Rotated(new_secret(), new_secret(), tuple(totp.new_recovery_codes()))
        hashes = [totp.recovery_hash(actor.person_id, one) for one in rotated.recovery_codes]

        def prove(conn: Connection) -> None:
            now = datetime.now(UTC)
            factor = second_factors.get(conn, actor.person_id)
            if factor is None or factor.confirmed_at is not None:
                raise Problem("second_factor_missing")
            step = totp.matching_step(self._sealer.open(factor.secret_sealed), code, now.timestamp(), 0)
            if step is None:
                raise Problem("code_invalid")
            second_factors.confirm(conn, actor.person_id, step, hashes, now)
            access.end_sessions(conn, actor.person_id, but=actor.session_hash)
            self._rotate(conn, actor, rotated, now)
            _tell(conn, actor.person_id, now)

        await self._db.write(prove)
        return rotated

    async def verify(self, actor: Actor, code: str) -> Rotated:
        """Pass the second factor with this session, by a code or a recovery code."""
        await self._count(actor.person_id)
        rotated = Rotated(new_secret(), new_secret())

        def prove(conn: Connection) -> None:
            now = datetime.now(UTC)
            self.use(conn, actor.person_id, code, now)
            self._rotate(conn, actor, rotated, now)

        await self._db.write(prove)
        return rotated

    async def remove(self, actor: Actor) -> None:
        """Remove it; the session must have passed it, and nothing counts as having passed one after."""
        if actor.second_factor_enrolled and actor.second_factor_at is None:
            raise Problem("second_factor_required")

        def drop(conn: Connection) -> None:
            if not second_factors.remove(conn, actor.person_id):
                raise Problem("second_factor_missing")
            access.forget_second_factor(conn, actor.person_id)
            _tell(conn, actor.person_id, datetime.now(UTC))

        await self._db.write(drop)

    async def count(self, person_id: str) -> None:
        """Count a try before it is looked at. Raises ``Problem`` (429)."""
        await self._count(person_id)

    async def _count(self, person_id: str) -> None:
        await limits.count(self._db, "second_factor", person_id, TRIES)

    def use(self, conn: Connection, person_id: str, code: str, now: datetime) -> None:
        """Use up a code of six digits or a recovery code. Raises ``Problem`` if it is not right."""
        factor = second_factors.get(conn, person_id)
        if factor is None or factor.confirmed_at is None:
            raise Problem("second_factor_enrolment_required")
        if len(code) != totp.DIGITS or not code.isdecimal():
            if second_factors.use_recovery_code(conn, person_id, totp.recovery_hash(person_id, code), now):
                return
            raise Problem("code_invalid")
        seed = self._sealer.open(factor.secret_sealed)
        step = totp.matching_step(seed, code, now.timestamp(), factor.last_step)
        if step is None or not second_factors.use_step(conn, person_id, step):
            raise Problem("code_invalid")

    @staticmethod
    def _rotate(conn: Connection, actor: Actor, rotated: Rotated, now: datetime) -> None:
        old = actor.session_hash or ""
        if not access.rotate_session(conn, old, hashed(rotated.secret), rotated.csrf_token, now):
            raise Problem("sign_in_required")


def _tell(conn: Connection, person_id: str, now: datetime) -> None:
    """Write to the person: whoever changed it, the mailbox's owner should know."""
    request = MailRequest(
        key=f"second_factor_changed:{new_id()}",
        template=MailTemplate.SECOND_FACTOR_CHANGED,
        person_id=person_id,
    )
    mail.queue(conn, [request], now)
