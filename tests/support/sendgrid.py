"""A provider on this machine that takes v3 mail/send requests as SendGrid documents them, or misbehaves."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "SG.test-key"
RESERVED_HEADERS = {
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "to",
    "from",
    "subject",
}


@dataclass
class Reply:
    """What to answer: ``status`` 0 closes the connection without a word; ``seconds`` waits before."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def problems(body: Any) -> list[str]:
    """Return what SendGrid would refuse in a mail/send request."""
    found = [name for name in ("personalizations", "from", "subject", "content") if not body.get(name)]
    people = body.get("personalizations") or []
    if not 1 <= len(people) <= 1000:
        found.append("1 to 1,000 personalizations")
    if [part["type"] for part in body.get("content", [])] != ["text/plain", "text/html"]:
        found.append("content: text/plain, then text/html")
    if "@" not in body.get("from", {}).get("email", "") or not set(body.get("from", {})) <= {"email", "name"}:
        found.append("from")
    if any(ord(c) < 32 for c in body.get("subject", "")):
        found.append("subject")
    seen: set[str] = set()
    for one in people:
        found += _problems_of(one, seen)
    known = {
        "personalizations",
        "from",
        "subject",
        "content",
        "categories",
        "tracking_settings",
        "mail_settings",
    }
    return found + sorted(set(body) - known)


def _problems_of(one: dict[str, Any], seen: set[str]) -> list[str]:
    found = []
    if (
        len(one.get("to", [])) != 1
        or "@" not in one["to"][0]["email"]
        or one["to"][0]["email"].startswith("bad@")
    ):
        found.append("to")
    if sum(len(key) + len(value.encode()) for key, value in one.get("substitutions", {}).items()) > 10_000:
        found.append("substitutions over 10,000 bytes")
    arguments = one.get("custom_args", {})
    if not all(isinstance(value, str) for value in arguments.values()) or arguments.get("mail_id") in seen:
        found.append("custom_args")
    seen.add(arguments.get("mail_id", ""))
    if {name.lower() for name in one.get("headers", {})} & RESERVED_HEADERS:
        found.append("headers")
    return found + sorted(set(one) - {"to", "substitutions", "custom_args", "headers"})


@dataclass(frozen=True)
class Delivered:
    """One mail as its reader gets it, after substitution."""

    email: str
    mail_id: str
    attempt: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]


class LocalSendGrid:
    """Listens on a free port of 127.0.0.1; use as a context manager."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.refused: list[list[str]] = []
        self.script: list[Reply] = []
        self.on_request: Callable[[], None] = lambda: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def delivered(self) -> list[Delivered]:
        """Every mail of the accepted requests."""
        return [self._deliver(body, one) for body in self.accepted for one in body["personalizations"]]

    @staticmethod
    def _deliver(body: dict[str, Any], one: dict[str, Any]) -> Delivered:
        def fill(text: str) -> str:
            for tag, value in one.get("substitutions", {}).items():
                text = text.replace(tag, value)
            return text

        text, html = (fill(part["value"]) for part in body["content"])
        return Delivered(
            one["to"][0]["email"],
            one["custom_args"]["mail_id"],
            one["custom_args"]["attempt"],
            fill(body["subject"]),
            text,
            html,
            one.get("headers", {}),
        )

    def __enter__(self) -> "LocalSendGrid":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, key: str | None, raw: bytes) -> Reply:
        reply = self.script.pop(0) if self.script else Reply()
        self.on_request()
        time.sleep(reply.seconds)
        if path != "/v3/mail/send" or key != f"Bearer {API_KEY}":
            return Reply(401)
        body = json.loads(raw)
        wrong = problems(body)
        if wrong:
            self.refused.append(wrong)
            return Reply(400)
        if reply.status in (0, 202):
            self.accepted.append(body)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                reply = outer._answer(self.path, self.headers.get("Authorization"), raw)
                if reply.status == 0:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in ({"X-Message-Id": "message-1"} | reply.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
