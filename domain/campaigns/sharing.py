"""Good notes shown to everybody: who decides, what counts as a visit, and as sharing."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit


class SharingChoice(StrEnum):
    """What a member lets be done with the notes of a campaign; each can be kept private besides."""

    NAMED = "named"
    ANONYMOUS = "anonymous"
    DECLINED = "declined"


class ShareChannel(StrEnum):
    """How somebody passes a note on: its link, or its picture. Neither is ever rewarded."""

    LINK = "link"
    POSTER = "poster"


class FeatureRefusal(StrEnum):
    """Why a note cannot be featured; the stable ``code`` of the problem."""

    DECLINED = "feature_declined"
    NOTHING_TO_SHOW = "feature_nothing_to_show"
    AUTHOR_GONE = "feature_author_gone"


JOIN_WINDOW = timedelta(days=7)
"""Who enrols this long after following a shared note came by it; as long as an invitation is remembered."""

# What programs call themselves that read pages for search, for previews in messengers, or to watch sites.
# Kept small: a new crawler that says what it is nearly always has one of these in its name.
_CRAWLERS = (
    "bot",
    "crawl",
    "spider",
    "slurp",
    "preview",
    "facebookexternalhit",
    "facebookcatalog",
    "embedly",
    "whatsapp",
    "mediapartners",
    "lighthouse",
    "pingdom",
    "uptime",
    "monitor",
    "headless",
    "phantomjs",
    "python",
    "curl/",
    "wget",
    "httpx",
    "aiohttp",
    "go-http-client",
    "okhttp",
    "java/",
    "libwww",
    "axios",
    "node-fetch",
    "scrapy",
    "yisou",
    "archive.org",
)


def is_visit(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a request for a shared note looks like somebody reading it; ``headers`` in lower case.

    Left out: anything but GET, pages fetched ahead of time, programs that say what they are, and those that
    do not say in which language they read, as every browser does.
    """
    if method != "GET" or not headers.get("accept-language"):
        return False
    ahead = " ".join(headers.get(name, "") for name in ("purpose", "sec-purpose", "x-moz", "x-purpose"))
    if any(word in ahead.casefold() for word in ("prefetch", "preview", "prerender")):
        return False
    agent = headers.get("user-agent", "").casefold()
    return bool(agent) and not any(crawler in agent for crawler in _CRAWLERS)


def referrer_host(referrer: str, own_host: str) -> str:
    """Return the host that somebody came from, empty for none or our own; never a path or a query."""
    try:
        parts = urlsplit(referrer)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
    plain = parts.scheme in {"http", "https"} and host.isascii() and len(host) <= 100
    ours = host == own_host.casefold()
    return host if plain and not ours and all(char.isalnum() or char in "-._:" for char in host) else ""
