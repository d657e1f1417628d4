"""What counts as a visit of a shared note, and what is kept of where it came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.sharing import is_visit, referrer_host

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.60"
READER = {"accept-language": "zh-CN", "user-agent": FIREFOX}


@pytest.mark.parametrize("agent", [FIREFOX, PHONE, "Opera/9.80 (Android; Opera Mini/36)"])
def test_people_with_browsers_are_visitors(agent: str) -> None:
    assert is_visit("GET", READER | {"user-agent": agent})


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        "Mozilla/5.0 (compatible; bingBOT/2.0)",
        "WhatsApp/2.23.20.0",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (Windows NT 6.1) Chrome/90 YisouSpider/5.0",
        "HeadlessChrome/140.0",
        "curl/8.14.1",
        "python-requests/2.32",
        "Slack-ImgProxy (link preview)",
        "",
    ],
)
def test_programs_that_say_what_they_are_are_not(agent: str) -> None:
    assert not is_visit("GET", READER | {"user-agent": agent})


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "get"])
def test_only_a_get_is_a_visit(method: str) -> None:
    assert not is_visit(method, READER)


@pytest.mark.parametrize("name", ["purpose", "sec-purpose", "x-moz", "x-purpose"])
@pytest.mark.parametrize("value", ["prefetch", "Prefetch;prerender", "preview"])
def test_what_is_fetched_ahead_of_time_is_not_read_yet(name: str, value: str) -> None:
    assert not is_visit("GET", READER | {name: value})


def test_a_header_of_another_meaning_does_not_hide_a_visit() -> None:
    assert is_visit("GET", READER | {"x-purpose": "reading", "referer": "https://bot.example/preview"})


@pytest.mark.parametrize("missing", READER)
def test_every_browser_says_its_name_and_language(missing: str) -> None:
    assert not is_visit("GET", {name: value for name, value in READER.items() if name != missing})
    assert not is_visit("GET", READER | {missing: ""})


def test_the_host_is_written_one_way() -> None:
    assert referrer_host("HTTPS://News.Example.:8443/a?b#c", "kameng.example") == "news.example"
    assert referrer_host("http://[2001:db8::1]/", "kameng.example") == "2001:db8::1"


def test_ones_own_pages_are_nowhere() -> None:
    assert referrer_host("https://kameng.example/campaigns", "KAMENG.example") == ""
    assert referrer_host("https://kameng.example.evil.example/", "kameng.example") != ""


@given(st.text(max_size=200), st.sampled_from(["", "https://", "http://", "https://user:secret@"]))
def test_whatever_is_sent_is_a_short_plain_host_or_nothing(text: str, scheme: str) -> None:
    host = referrer_host(scheme + text, "kameng.example")
    assert len(host) <= 100
    assert host.isascii()
    assert not set(host) & set("/?#@ <>\"'&\n\r\t")


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://news.example/story?id=1", "news.example"),
        ("https://KAMENG.test/campaigns", ""),
        ("https://user:secret@news.example./", "news.example"),
        ("ftp://news.example/", ""),
        ("https://[::1", ""),
        ("https://" + "a" * 101 + ".example/", ""),
        ("https://bad host/", ""),
        ("", ""),
    ],
)
def test_of_a_referrer_the_host_alone_is_kept(referrer: str, host: str) -> None:
    assert referrer_host(referrer, "kameng.test") == host


@pytest.mark.parametrize(
    ("method", "changes", "counts"),
    [
        ("GET", {}, True),
        ("HEAD", {}, False),
        ("GET", {"accept-language": ""}, False),
        ("GET", {"user-agent": ""}, False),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Examplebot/2.1)"}, False),
        ("GET", {"sec-purpose": "prefetch;prerender"}, False),
    ],
)
def test_what_is_a_visit(method: str, changes: dict[str, str], counts: bool) -> None:
    headers = {"accept-language": "en", "user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"} | changes
    assert is_visit(method, headers) is counts
