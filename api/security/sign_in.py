"""Signing in by a link in a mail: asking for one, and using it once.

A link belongs to the browser that asked, where that browser showed a cookie: another browser that shows
a different cookie is refused and the link stays usable. One without any cookie may use it, because the
mail may be read on another device and programs keep no cookies.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from api.problems import Problem
from api.security import limits
from api.security.credentials import hashed, new_secret
from api.security.second_factor import SecondFactors
from contracts.mail import MailRequest
from db.database import Database
from db.repositories import access, mail, people
from db.repositories.access import Link
from db.repositories.mail import Stranger
from db.repositories.people import NewPerson
from domain.mail import MailTemplate
from domain.people import DEFAULT_LOCALE, Person, PersonStatus, normalise_email
from locales import translate
from mail.sealing import Sealer
from settings import Settings

TIME_ZONES: Final = {"zh-CN": "Asia/Shanghai", "en": "UTC"}
"""The time zone, by language, that somebody new begins with whose browser says none."""


@dataclass(frozen=True)
class Opened:
    """A session just opened: its secret, to be put into a cookie, and whose it is."""

    secret: str
    person_id: str


class SignIn:
    """Sign-in on one database."""

    def __init__(self, settings: Settings, db: Database, sealer: Sealer, factors: SecondFactors) -> None:
        self._settings = settings
        self._db = db
        self._sealer = sealer
        self._factors = factors

    async def ask(self, email: str, client: str, browser: str | None, locale: str) -> None:
        """Queue a mail with a link, in the transaction that stores the link.

        The same steps are taken for known and unknown addresses; somebody new becomes a member by using
        the link, unless registration is closed: then nothing is mailed. Raises ``Problem`` (429).
        """
        limit = self._settings
        await limits.count(self._db, "sign_in_client", client, limit.sign_ins_per_client)
        await limits.count(self._db, "sign_in_address", normalise_email(email), limit.sign_ins_per_address)
        secret = new_secret()
        sealed = self._sealer.seal(secret)

        def store(conn: Connection) -> None:
            now = datetime.now(UTC)
            person = people.get_by_email(conn, email)
            active = person is not None and person.status is PersonStatus.ACTIVE
            stranger = person is None and self._settings.open_registration
            access.store_link(
                conn,
                token_hash=hashed(secret),
                person_id=person.id if person is not None and active else None,
                email=email if stranger else None,
                locale=locale,
                browser_hash=None if browser is None else hashed(browser),
                now=now,
                expires_at=now + timedelta(minutes=self._settings.magic_link_minutes),
            )
            key = f"sign_in:{hashed(secret)}"
            if person is not None and active:
                self._write_to(conn, person, key, sealed, now)
            elif stranger:
                to = Stranger(email, translate(locale, "person.new_member"), locale, TIME_ZONES[locale])
                mail.queue_to_stranger(conn, key, MailTemplate.SIGN_IN, to, sealed, now)

        await self._db.write(store)

    @staticmethod
    def _write_to(conn: Connection, person: Person, key: str, sealed: str, now: datetime) -> None:
        request = MailRequest(
            key=key, template=MailTemplate.SIGN_IN, person_id=person.id, sealed_secret=sealed
        )
        mail.queue(conn, [request], now)

    async def open(
        self, token: str, code: str | None, browser: str | None, old: str | None, zone: str | None = None
    ) -> Opened:
        """Use a link, and a code of the second factor if given, and return a new session.

        ``old`` is the hash of the session that the browser has until now: it ends. ``zone`` is the time zone
        of somebody who becomes a member by this link, if it is known. Raises ``Problem`` for
        a link that is used, over or another browser's, and for a wrong code: then the link stays usable.
        """
        token_hash = hashed(token)
        if code is not None:
            await self._count_code(token_hash)
        session, csrf_token = new_secret(), new_secret()

        def consume(conn: Connection) -> Opened:
            now = datetime.now(UTC)
            link = access.usable_link(conn, token_hash, now)
            if link is None:
                raise Problem("link_invalid")
            _check_browser(link, browser)
            if not access.consume_link(conn, token_hash, now):
                raise Problem("link_invalid")
            person = self._person_of(conn, link, now, zone)
            passed = None
            if code is not None:
                self._factors.use(conn, person.id, code, now)
                passed = now
            if old is not None:
                access.end_session(conn, old)
            self._open(conn, session, csrf_token, person.id, now, passed)
            return Opened(session, person.id)

        return await self._db.write(consume)

    async def open_for(self, person_id: str) -> Opened:
        """Return a new session without any proof: for trying out only, behind a route that says so."""
        session, csrf_token = new_secret(), new_secret()

        def store(conn: Connection) -> Opened:
            now = datetime.now(UTC)
            self._open(conn, session, csrf_token, person_id, now, None)
            return Opened(session, person_id)

        return await self._db.write(store)

    async def _count_code(self, token_hash: str) -> None:
        """Count tries by person, so that many links give no more tries."""
        link = await self._db.read(lambda conn: access.usable_link(conn, token_hash, datetime.now(UTC)))
        if link is not None and link.person_id is not None:
            await self._factors.count(link.person_id)

    def _person_of(self, conn: Connection, link: Link, now: datetime, zone: str | None) -> Person:
        """Return whose link it is; a confirmed new address becomes a member."""
        if link.person_id is not None:
            person = people.get(conn, link.person_id)
        else:
            locale = link.locale or DEFAULT_LOCALE
            given = NewPerson(link.email or "", _first_name(locale), locale, zone or TIME_ZONES[locale], now)
            person, _ = people.find_or_create(conn, given, now)
        if person is None or person.status is not PersonStatus.ACTIVE:
            raise Problem("link_invalid")
        return person

    def _open(
        self,
        conn: Connection,
        secret: str,
        csrf_token: str,
        person_id: str,
        now: datetime,
        passed: datetime | None,
    ) -> None:
        access.open_session(
            conn,
            token_hash=hashed(secret),
            person_id=person_id,
            csrf_token=csrf_token,
            now=now,
            expires_at=now + timedelta(hours=self._settings.session_absolute_hours),
            second_factor_at=passed,
        )


def _first_name(locale: str) -> str:
    """Return what somebody is called until they say a name: with a number, so that lists tell them apart."""
    return f"{translate(locale, 'person.new_member')} {100_000 + secrets.randbelow(900_000)}"


def _check_browser(link: Link, browser: str | None) -> None:
    if link.browser_hash is None or browser is None:
        return
    if not hmac.compare_digest(link.browser_hash, hashed(browser)):
        raise Problem("link_other_browser")
