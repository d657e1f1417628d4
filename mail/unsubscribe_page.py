"""The page behind the link in a list mail. Scanners open links, so opening it changes nothing."""

from enum import Enum
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from locales import translate
from locales.catalogue import language_of

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: our own styles, and the form back to where it came from."""

_TEMPLATES = Path(__file__).parent.parent / "templates" / "mail"
_ENVIRONMENT = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)


class UnsubscribeState(Enum):
    """What the page has to say, of list mail and of invitations."""

    ASK = "mail.unsubscribe.question"
    DONE = "mail.unsubscribe.done"
    INVALID = "mail.unsubscribe.invalid"
    ASK_INVITED = "mail.uninvite.question"
    DONE_INVITED = "mail.uninvite.done"


_INVITED = frozenset({UnsubscribeState.ASK_INVITED, UnsubscribeState.DONE_INVITED})
_DONE = frozenset({UnsubscribeState.DONE, UnsubscribeState.DONE_INVITED})
_BUTTONS = {
    UnsubscribeState.ASK: "mail.unsubscribe.button",
    UnsubscribeState.ASK_INVITED: "mail.uninvite.button",
}


def unsubscribe_page(locale: str, state: UnsubscribeState) -> str:
    """Return the page as HTML; only a question has a button."""
    title = "mail.uninvite.title" if state in _INVITED else "mail.unsubscribe.title"
    button = _BUTTONS.get(state)
    return _ENVIRONMENT.get_template("unsubscribe.html.j2").render(
        lang=language_of(locale),
        title=translate(locale, title),
        message=translate(locale, state.value),
        button=translate(locale, button) if button else None,
        done=state in _DONE,
        brand=translate(locale, "page.name"),
        footer=translate(locale, "page.footer"),
    )
