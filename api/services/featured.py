"""Good notes go out: featuring them, what their authors decide, and what everybody sees."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from api.pagination import Page, Paging
from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.shares import FeaturedOut, FeatureOut, NoteOut, SharedNoteOut, SharingOut, VisitsOut
from api.security.gate import Actor
from api.services.campaigns import MANAGERS, existing
from contracts.base import campaign_process_id
from contracts.mail import MailRequest
from db.repositories import enrolments, featured, mail, share_visits
from domain.campaigns.sharing import SharingChoice
from domain.campaigns.terms import Status
from domain.mail import MailTemplate


class Addresses(NamedTuple):
    """Where things are: the public address of Kameng."""

    base: str

    def share(self, code: str) -> str:
        """Return the address of a shared note."""
        return f"{self.base}/s/{code}"

    def preview(self, code: str) -> str:
        """Return the address of its preview picture."""
        return f"{self.base}/s/{code}/preview.png"


def picture_path(campaign_id: str, picture_id: str) -> str:
    """Return where a picture is shown in pages."""
    return f"/campaigns/{campaign_id}/pictures/{picture_id}"


def feature(conn: Connection, check_in_id: str, actor: Actor, base: str, now: datetime) -> FeatureOut:
    """Show a note to everybody and tell its author. Raises ``Problem``."""
    note = _led(conn, check_in_id, actor)
    if Status(note.status) not in featured.SHOWN_IN:
        raise Problem("not_found")
    refusal = featured.refusal(note)
    if refusal is not None:
        raise Problem(refusal.value)
    done = featured.feature(conn, note, actor.person_id, now)
    if done.is_new and note.person_id != actor.person_id:
        _tell(conn, note, now)
    return FeatureOut(
        check_in_id=check_in_id,
        code=done.code,
        url=Addresses(base).share(done.code),
        featured_at=done.featured_at,
    )


def take_down(conn: Connection, check_in_id: str, actor: Actor, now: datetime) -> None:
    """Take a note down; one that is not shown stays so. Raises ``Problem``."""
    featured.take_down(conn, _led(conn, check_in_id, actor), now)


def _led(conn: Connection, check_in_id: str, actor: Actor) -> Any:
    """Return a note of a campaign that ``actor`` leads or manages; to others it does not exist."""
    return _may(featured.locked_note(conn, check_in_id), actor)


def _may(note: Any, actor: Actor) -> Any:
    if note is None or (note.leader_id != actor.person_id and not actor.has(*MANAGERS)):
        raise Problem("not_found")
    return note


def _tell(conn: Connection, note: Any, now: datetime) -> None:
    process_id = campaign_process_id(note.campaign_id)
    request = MailRequest(
        # Featured again on another day is told again: its author may have thought it was gone.
        key=f"{process_id}:featured:{note.id}:{now.date().isoformat()}",
        template=MailTemplate.CAMPAIGN_NOTE_FEATURED,
        person_id=note.person_id,
        process_id=process_id,
        data={"campaign_id": note.campaign_id, "title": note.title, "day": note.day},
    )
    mail.queue(conn, [request], now)


def set_private(conn: Connection, check_in_id: str, actor: Actor, private: bool, now: datetime) -> None:
    """Keep an own note from being featured, or allow it again. Raises ``Problem``."""
    note = featured.locked_note(conn, check_in_id)
    if note is None or note.person_id != actor.person_id:
        raise Problem("not_found")
    featured.set_private(conn, note, private, now)


def choose(
    conn: Connection, campaign_id: str, person_id: str, choice: SharingChoice, now: datetime
) -> SharingOut:
    """Decide about all my notes of a campaign. Raises ``Problem`` for who never took part."""
    if enrolments.get(conn, campaign_id, person_id) is None:
        raise Problem("not_enrolled")
    featured.choose(conn, campaign_id, person_id, choice, now)
    return SharingOut(choice=choice)


def choice_of(conn: Connection, campaign_id: str, person_id: str) -> SharingOut:
    """Return what I decided. Raises ``Problem`` for who never took part."""
    if enrolments.get(conn, campaign_id, person_id) is None:
        raise Problem("not_enrolled")
    return SharingOut(choice=featured.choice_of(conn, campaign_id, person_id))


def notes(
    conn: Connection, campaign_id: str, paging: Paging, day: int | None, longest: bool
) -> Page[NoteOut]:
    """Return a page of notes for the leader. Raises ``Problem``."""
    existing(conn, campaign_id)
    rows = featured.notes(conn, campaign_id, day=day, longest=longest, after=paging.after, limit=paging.fetch)
    shown, cursor = paging.cut(rows, lambda row: [row.place, row.day, row.person_id])
    return Page(items=[_note(campaign_id, row) for row in shown], next_cursor=cursor)


def _note(campaign_id: str, row: Any) -> NoteOut:
    return NoteOut(
        check_in_id=row.id,
        day=row.day,
        note=row.note,
        link=row.link,
        picture_url=picture_path(campaign_id, row.picture_id) if row.picture_id else None,
        author=PersonOut(id=row.person_id, display_name=row.display_name),
        at=row.at,
        featured=row.featured_at is not None,
        may_feature=featured.refusal(row) is None,
    )


def listed(
    conn: Connection, campaign_id: str, paging: Paging, base: str, author_id: str | None = None
) -> Page[FeaturedOut]:
    """Return a page of featured notes with what came of them."""
    before = str(paging.after[0]) if paging.after else None
    rows = featured.listed(conn, campaign_id, before, paging.fetch, author_id)
    shown, cursor = paging.cut(rows, lambda row: [row.id])
    return Page(items=[_featured(row, base) for row in shown], next_cursor=cursor)


def shown_of(conn: Connection, campaign_id: str, paging: Paging, base: str) -> Page[SharedNoteOut]:
    """Return a page of a campaign's notes as everybody sees them."""
    before = str(paging.after[0]) if paging.after else None
    rows = featured.shown(conn, campaign_id, before, paging.fetch)
    here, cursor = paging.cut(rows, lambda row: [row.id])
    return Page(items=[shared_out(row, base) for row in here], next_cursor=cursor)


def own(conn: Connection, campaign_id: str, person_id: str, base: str, most: int) -> list[FeaturedOut]:
    """Return a member's own featured notes, newest first."""
    rows = featured.listed(conn, campaign_id, None, most, person_id)
    return [_featured(row, base) for row in rows]


def _featured(row: Any, base: str) -> FeaturedOut:
    return FeaturedOut(
        check_in_id=row.check_in_id,
        code=row.code,
        url=Addresses(base).share(row.code),
        featured_at=row.featured_at,
        day=row.day,
        note=row.note,
        author=PersonOut(id=row.person_id, display_name=row.display_name),
        visits=row.visits,
        joins=row.joins,
    )


def visits(
    conn: Connection, check_in_id: str, actor: Actor, campaign_id: str | None = None
) -> list[VisitsOut]:
    """Return a note's visits by day and host; of ``campaign_id`` alone, if given. Raises ``Problem``."""
    note = _may(featured.note(conn, check_in_id), actor)
    if campaign_id not in (None, note.campaign_id):
        raise Problem("not_found")
    found = featured.id_of(conn, note.id)
    rows: Sequence[Any] = share_visits.by_day(conn, found) if found else ()
    return [VisitsOut(day=row.day, host=row.referrer_host, visits=row.visits) for row in rows]


def visitors(conn: Connection, campaign_id: str) -> list[VisitsOut]:
    """Return the visitors of all notes of a campaign, each once, by day; from where is told a note alone."""
    rows = share_visits.by_day_of_all(conn, campaign_id)
    return [VisitsOut(day=row.day, host="", visits=row.visits) for row in rows]


def shown(conn: Connection, code: str) -> Any:
    """Return the note at an address, None if there never was one. Raises ``Problem`` if it is taken down."""
    found = featured.by_code(conn, code)
    if found is not None and not found.live:
        raise Problem("note_taken_down", headers={"X-Robots-Tag": "noindex"})
    return found


def shared_out(note: Any, base: str) -> SharedNoteOut:
    """Return a shared note as everybody reads it."""
    where = Addresses(base)
    return SharedNoteOut(
        code=note.code,
        url=where.share(note.code),
        preview_url=where.preview(note.code),
        note=note.note,
        day=note.day,
        author=note.author or None,
        campaign_id=note.campaign_id,
        campaign_title=note.title,
        featured_at=note.featured_at,
    )


def process_time(note: Any) -> datetime:
    """Return the campaign's own time."""
    return datetime.now(UTC) + timedelta(seconds=note.clock_offset_seconds)
