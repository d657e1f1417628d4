"""Pages from templates: words, times and numbers as each language writes them, in the reader's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from babel import dates, numbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Context, Macro
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match

from api.envelope import locale_of
from api.inputs import TIME_ZONES
from api.pages.forms import local
from api.parts import parts_of
from api.security.gate import Actor
from domain.people import LOCALES
from locales import MissingMessage, translate, word

_TEMPLATES = Path(__file__).parents[2] / "templates" / "pages"
_DEFAULT_ZONE = "Asia/Shanghai"
LANGUAGE_COOKIE = "kameng_language"
ZONE_COOKIE = "kameng_zone"
"""What static/js/zone.js says: the browser's time zone, which no header tells."""
_DAY = 24 * 3600
_UNITS = (
    ("year", 365 * _DAY),
    ("month", 30 * _DAY),
    ("week", 7 * _DAY),
    ("day", _DAY),
    ("hour", 3600),
    ("minute", 60),
)

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class Reader:
    """How somebody reads: language and time zone. What templates format values with."""

    locale: str
    time_zone: str

    @classmethod
    def of_text(cls, *texts: str) -> "Reader":
        """Return who reads what is written in ``texts``: Chinese where there is any of it. Days are UTC's."""
        chinese = any("\u4e00" <= char <= "\u9fff" for text in texts for char in text[:500])
        return cls("zh-CN" if chinese else "en", "UTC")

    @property
    def _babel(self) -> str:
        return self.locale.replace("-", "_")

    def t(self, msgid: str, **values: Any) -> str:
        """Return the message ``msgid`` of the catalogue."""
        return translate(self.locale, msgid, **values) if values else _plain(self.locale, msgid)

    def word(self, family: str, value: str) -> str:
        """Return a code in words (``word('status', 'draft')``)."""
        return _word(self.locale, family, value)

    def done(self, code: str) -> str:
        """Return what has just been done in words; nothing for a code that a stranger made up."""
        try:
            return self.t(f"page.done.{code}")
        except MissingMessage:
            return ""

    def when(self, at: datetime) -> str:
        """Return an instant with its time of day to the minute, in the reader's zone."""
        zone = ZoneInfo(self.time_zone)
        day = dates.format_date(at.astimezone(zone), "medium", locale=self._babel)
        time = dates.format_time(at, "short", tzinfo=zone, locale=self._babel)
        return str(dates.get_datetime_format("medium", locale=self._babel)).format(time, day)

    def day(self, at: datetime | date) -> str:
        """Return a calendar day, of an instant in the reader's zone."""
        if isinstance(at, datetime):
            at = at.astimezone(ZoneInfo(self.time_zone)).date()
        return dates.format_date(at, "long", locale=self._babel)

    def days(self, first: date, last: date) -> str:
        """Return a span of calendar days, as short as it can be said with the year."""
        return dates.format_interval(first, last, "yMMMd", locale=self._babel)

    def weekdays(self) -> list[str]:
        """Return the shortest names of the days of the week, Monday first."""
        names = dates.get_day_names("narrow", "stand-alone", self._babel)
        return [names[number] for number in range(7)]

    def span(self, until: datetime, now: datetime) -> str:
        """Return how far ``until`` is from ``now``: «in 3 days», «2 hours ago», «just now»."""
        seconds = (until - now).total_seconds()
        if -60 < seconds <= 0:
            return self.t("page.just_now")
        for unit, length in _UNITS:
            if abs(seconds) >= 2 * length or unit == "minute":
                break
        count = max(1, round(abs(seconds) / length))
        return _span(self._babel, unit, count * length if seconds > 0 else -count * length)

    def number(self, value: float) -> str:
        """Return a number with its separators."""
        return _number(self._babel, value)

    def percent(self, value: float) -> str:
        """Return a share as a percentage, to one decimal where it matters."""
        return numbers.format_percent(value, format="#,##0.#%", locale=self._babel)


# A page says several hundred things, most of them what the page before said.
@lru_cache(maxsize=8192)
def _plain(locale: str, msgid: str) -> str:
    return translate(locale, msgid)


@lru_cache(maxsize=1024)
def _word(locale: str, family: str, value: str) -> str:
    return word(locale, family, value)


@lru_cache(maxsize=2048)
def _span(locale: str, unit: Any, seconds: int) -> str:
    length = timedelta(seconds=seconds)
    return dates.format_timedelta(length, granularity=unit, threshold=inf, add_direction=True, locale=locale)


@lru_cache(maxsize=2048, typed=True)
def _number(locale: str, value: float) -> str:
    return numbers.format_decimal(value, locale=locale)


def reader_of(request: Request, actor: Actor | None) -> Reader:
    """Return how the reader of this request reads: as the account says, else as the browser says.

    A browser without scripts does not say its time zone.
    """
    if actor is not None:
        return Reader(actor.locale, actor.time_zone)
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    locale = chosen if chosen in LOCALES else locale_of(request.scope)
    return Reader(locale, zone_of(request) or _DEFAULT_ZONE)


def zone_of(request: Request) -> str | None:
    """Return the time zone that the browser says it is in, if it does."""
    said = unquote(request.cookies.get(ZONE_COOKIE, ""))
    return said if said in TIME_ZONES else None


class _Context(Context):
    """What a template is rendered with; calls what it calls without asking first whether it wants to be
    given the context. That would cost more than most calls, and only macros do."""

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``function`` from a template."""
        if isinstance(function, Macro):
            return super().call(function, *args, **kwargs)
        # Jinja's own: the names around the call, for functions that take the context.
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        return function(*args, **kwargs)


@cache
def environment(*, reload: bool = True) -> Environment:
    """Return the templates' environment: escaped, strict about names, without spare blank lines.

    All applications of a process share it, and so what it compiled. Without ``reload`` a template is read
    once, and its file is not looked at again.
    """
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        enable_async=False,
        auto_reload=reload,
    )
    env.context_class = _Context
    env.globals["locales"] = LOCALES
    return env


def page(
    request: Request,
    name: str,
    actor: Actor | None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """Return the page ``templates/pages/<name>.html`` for ``actor`` (None: nobody signed in)."""
    reader = reader_of(request, actor)
    settings = parts_of(request).settings
    template = request.app.state.templates.get_template(f"{name}.html")
    here = context.pop("here", None) or _here(request)
    body = template.render(
        me=actor,
        r=reader,
        t=reader.t,
        word=reader.word,
        here=here,
        back=_back(request, here),
        done=context.pop("done", request.query_params.get("done")),
        development=settings.time_machine_enabled,
        temporal_ui=settings.temporal_ui_url,
        wall_now=datetime.now(UTC),
        **context,
    )
    return HTMLResponse(
        body,
        status,
        {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Content-Language": reader.locale,
            # Without a referrer of our own pages the browser would not say where a form comes from.
            "Referrer-Policy": "same-origin",
            **(headers or {}),
        },
    )


def _here(request: Request) -> str:
    """Return the page's address: of one that a form was answered with, the nearest that can be opened."""
    path = request.url.path
    if request.method in ("GET", "HEAD"):
        return path
    while path.strip("/"):
        scope = {**request.scope, "method": "GET", "path": path}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            return path
        path = path.rpartition("/")[0]
    return "/"


def _back(request: Request, here: str) -> str:
    """Return where the language switch leads back to, by following a link: to just what is shown.

    Without its query a board would be another one, and a link that signs in would be none.
    """
    url = request.url
    whole = f"{url.path}?{url.query}"
    return whole if request.method in ("GET", "HEAD") and url.query and local(whole, "") else here
