"""Rendering: one source a mail and language, read by an HTML and a text layout, so that they never drift."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from css_inline import CSSInliner
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from contracts.mail import Letter
from domain.mail import MailTemplate
from locales.catalogue import language_of
from mail.audiences import audience_of
from mail.cleaning import NAME_LENGTH, NOTE_LENGTH, cleaned, lines, one_line, plain_name
from mail.phrases import Phrases, zone_of
from mail.sealing import Sealer
from mail.unsubscribe import UnsubscribeTokens

TEMPLATES = Path(__file__).parent.parent / "templates" / "emails"
SUBJECT_LENGTH = 160
_BLANK_LINES = re.compile(r"\n\s*\n")

# Given where a process has something to say, absent where it has not; anything else must be there.
_OPTIONAL: dict[str, Any] = {
    "appeal_until": None,
    "back_to": None,
    "certificate_code": None,
    "counts_as": None,
    "deadline": None,
    "done": False,
    "escalates_at": None,
    "minutes": 10,
    "missed": (),
    "over": False,
    "paused": False,
    "place": None,
    "reapply_after": None,
    "reasons": (),
    "rest": False,
    "topics": (),
    "why": None,
}


class SecretGone(Exception):
    """The mail's secret was wiped when it was sent: the mail cannot be rendered again."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What differs between readers of one mail: the name in the greeting, and the link to leave the list."""

    name: str
    unsubscribe_url: str | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail ready to be sent; ``links`` are the addresses that a reader can follow, the button's first."""

    subject: str
    text: str
    html: str
    links: tuple[str, ...]


def _split(block: str) -> list[str]:
    return [stripped for line in str(block).splitlines() if (stripped := line.strip())]


def _as_html(tag: str) -> Callable[[str], Markup]:
    """Wrap every line of a rendered block in ``tag``; its values are escaped by then."""
    return lambda block: Markup("\n").join(Markup(f"<{tag}>{line}</{tag}>") for line in _split(block))


def _as_text(front: str, between: str) -> Callable[[str], str]:
    return lambda block: between.join(front + line for line in _split(block))


@cache
def _environment(autoescape: bool) -> ImmutableSandboxedEnvironment:
    """Return the environment of HTML (escaped) or of plain text; what it compiled serves all renderers."""
    env = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        undefined=StrictUndefined,
        auto_reload=False,
    )
    if autoescape:
        env.filters |= {"paragraphs": _as_html("p"), "bullets": _as_html("li")}
    else:
        env.filters |= {"paragraphs": _as_text("", "\n\n"), "bullets": _as_text("- ", "\n")}
    return env


class Renderer:
    """Turns letters into mails. Values are data: none is ever compiled as a template."""

    def __init__(self, *, base_url: str, sealer: Sealer, tokens: UnsubscribeTokens) -> None:
        self._base_url = base_url
        self._sealer = sealer
        self._tokens = tokens
        self._html = _environment(autoescape=True)
        self._text = _environment(autoescape=False)
        self._inliner = CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def reader_of(self, letter: Letter) -> Reader:
        """Return what concerns the reader of ``letter`` alone."""
        return Reader(name=one_line(letter.to_name, NAME_LENGTH), unsubscribe_url=self._leave(letter))

    def _leave(self, letter: Letter) -> str | None:
        if not letter.list_mail:
            return None
        if letter.template == MailTemplate.CAMPAIGN_INVITATION:
            return self._tokens.mailbox_url(self._base_url, letter.data["address_hash"])
        return self._tokens.url(self._base_url, letter.person_id)

    def render(self, letter: Letter, reader: Reader | None = None) -> Rendered:
        """Render ``letter`` in its language; ``reader`` replaces what concerns its reader alone.

        Raises ``SecretGone``, and Jinja's and lookup errors where data does not fit the template.
        """
        context = self._context(letter, reader or self.reader_of(letter))
        path = one_line(self._part(self._text, "path.j2", letter, context))
        context |= {"button_url": self._base_url + path}
        subject = one_line(self._part(self._text, "subject.j2", letter, context), SUBJECT_LENGTH)
        context |= {"title": subject}
        html = self._inliner.inline(self._part(self._html, "html.j2", letter, context))
        text = self._part(self._text, "text.j2", letter, context)
        links = (context["button_url"], context["unsubscribe_url"])
        return Rendered(
            subject=subject,
            text=_BLANK_LINES.sub("\n\n", text).strip() + "\n",
            html=html,
            links=tuple(link for link in links if link),
        )

    def _context(self, letter: Letter, reader: Reader) -> dict[str, Any]:
        phrases = _phrases(language_of(letter.locale), letter.time_zone)
        data = _OPTIONAL | {key: value for key, value in letter.data.items() if value is not None}
        someone = phrases.t("mail.someone")
        context: dict[str, Any] = cleaned(data)
        # `title` is the heading's name in the layouts: what a leader called a campaign goes by another.
        if "title" in context:
            context["campaign"] = one_line(context["title"], NAME_LENGTH) or phrases.t("mail.untitled")
        return context | {
            "say": phrases,
            "t": phrases.t,
            "lang": phrases.language,
            "audience": audience_of(MailTemplate(letter.template)).value,
            "reader_name": reader.name,
            "unsubscribe_url": reader.unsubscribe_url,
            "applicant": _name(letter, "application_id") or someone,
            "inviter": plain_name(_name(letter, "inviter_id") or "") or someone,
            "candidate": _name(letter, "candidate_id") or _name(letter, "application_id") or someone,
            "note": lines(letter.note, NOTE_LENGTH) if letter.note else (),
            "secret": self._secret(letter),
        }

    def _secret(self, letter: Letter) -> str | None:
        if letter.template != MailTemplate.SIGN_IN:
            return None
        if letter.secret_sealed is None:
            raise SecretGone(letter.id)
        return self._sealer.open(letter.secret_sealed)

    def _part(
        self, environment: ImmutableSandboxedEnvironment, layout: str, letter: Letter, context: dict[str, Any]
    ) -> str:
        source = f"{context['lang']}/{MailTemplate(letter.template).value}.j2"
        return environment.get_template(source).render(context, layout=f"layout/{layout}")


def _name(letter: Letter, key: str) -> str | None:
    name = letter.names.get(str(letter.data.get(key)))
    return one_line(name, NAME_LENGTH) if name else None


@lru_cache(maxsize=512)
def _phrases(language: str, time_zone: str) -> Phrases:
    return Phrases(language, zone_of(time_zone, language))


def template_names(language: str) -> Iterable[str]:
    """Return the names of the templates that exist in ``language``."""
    return (path.stem for path in (TEMPLATES / language).glob("*.j2"))
