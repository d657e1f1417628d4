"""The outbox as developers see it: stored letters, rendered when looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.mail import Letter
from locales import translate
from mail.rendering import Renderer, SecretGone
from mail.sealing import BrokenSeal


@dataclass(frozen=True, slots=True)
class OutboxMail:
    """One mail with everything a reader would see; ``created_at`` is UTC."""

    id: str
    to: str
    template: str
    locale: str
    status: str
    created_at: datetime
    subject: str
    text: str
    html: str
    links: tuple[str, ...]


def render_page(renderer: Renderer, letters: Iterable[Letter]) -> list[OutboxMail]:
    """Render ``letters`` (``db.repositories.mail_events.outbox``); one whose secret is gone says so."""
    return [_render(renderer, letter) for letter in letters]


def _render(renderer: Renderer, letter: Letter) -> OutboxMail:
    try:
        mail = renderer.render(letter)
        subject, text, html, links = mail.subject, mail.text, mail.html, mail.links
    except (SecretGone, BrokenSeal):
        gone = translate(letter.locale, "mail.outbox.secret_gone")
        subject, text, html, links = letter.template, gone, "", ()
    return OutboxMail(
        id=letter.id,
        to=letter.to_email,
        template=letter.template,
        locale=letter.locale,
        status=letter.status.value,
        created_at=letter.created_at,
        subject=subject,
        text=text,
        html=html,
        links=links,
    )
