"""The table of who may use what, as Markdown; ``python -m api.access_table`` writes docs/access.md."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

from api.access import SAFE, Access, table_of
from api.app import create_app
from settings import Settings

TABLE = Path(__file__).parent.parent / "docs" / "access.md"


def rendered(app: FastAPI) -> str:
    """Return the two tables, of the JSON API and of the pages, as Markdown."""
    lines = [
        "# Who may use what",
        "",
        "Generated from the routes by `python -m api.access_table`; a test compares.",
        "«owner» is whose the object is: to everybody else who is not named it does not exist (404).",
        "An API token also needs the scope in the fourth column, and never reaches further than its person.",
        "",
        "## The JSON API",
        "",
        "Rows under `/api/v1/dev` exist in development only.",
        "",
        *_table(table_of(app)),
        "",
        "## Pages",
        "",
        "Who is not signed in is led to `/sign-in`, staff without their second factor to where it is passed.",
        "A form sent with a session has to come from a page of ours, or to know the session's CSRF token.",
        "Rows of «anyone on this machine» exist in development only. Files under `/static` are for anyone.",
        "",
        *_table(table_of(app.state.pages)),
    ]
    return "\n".join(lines) + "\n"


def _table(entries: Sequence[Access]) -> list[str]:
    head = ["| method | path | who | token scope | repeating it |", "| --- | --- | --- | --- | --- |"]
    return head + [_row(entry) for entry in entries]


def _row(entry: Access) -> str:
    cells = (entry.method, f"`{entry.path}`", entry.rule.audience, _scope(entry), entry.idempotency)
    return f"| {' | '.join(cells)} |"


def _scope(entry: Access) -> str:
    if entry.rule.public:
        return ""
    if entry.rule.session_only:
        return "no token"
    if entry.rule.scope is not None:
        return f"`{entry.rule.scope.value}`"
    return "`read`" if entry.method in SAFE else "`write`"


def main() -> None:
    """Write docs/access.md."""
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(rendered(create_app(Settings())), encoding="utf-8")


if __name__ == "__main__":
    main()
