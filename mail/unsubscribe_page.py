"""The page behind the link in a list mail. Scanners open links, so opening it changes nothing."""

from enum import Enum
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from locales import translate
from locales.catalogue import language_of

_TEMPLATES = Path(__file__).parent.parent / "templates" / "mail"
_ENVIRONMENT = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)


class UnsubscribeState(Enum):
    """What the page has to say."""

    ASK = "mail.unsubscribe.question"
    DONE = "mail.unsubscribe.done"
    INVALID = "mail.unsubscribe.invalid"


def unsubscribe_page(locale: str, state: UnsubscribeState) -> str:
    """Return the page as HTML; only the question has a button."""
    return _ENVIRONMENT.get_template("unsubscribe.html.j2").render(
        lang=language_of(locale),
        title=translate(locale, "mail.unsubscribe.title"),
        message=translate(locale, state.value),
        button=translate(locale, "mail.unsubscribe.button") if state is UnsubscribeState.ASK else None,
    )
