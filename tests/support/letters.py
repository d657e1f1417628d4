"""What every mail that a process really queued must be when it is read."""

import json
import re
from typing import Any

from sqlalchemy import Connection, select

from db.repositories import mail_delivery
from db.tables.mail import mails
from domain.people import LOCALES
from tests.support.mail import BASE_URL, renderer
from tests.support.vetting import Case

PAGE = re.compile(rf"{BASE_URL}(/staff)?/(applications|ballots)/[0-9a-f-]{{36}}")
BUTTON = re.compile(r'<a [^>]*class="button"[^>]*href="([^"]*)"')
# A value that was not there: its name, nothing between quotes or brackets, or a hole before a stop.
HOLES = re.compile(r"\bNone\b|\bUndefined\b|[{}]|[“「《(（]\s*[”」》)）]|[^\n] [,.;!?，。；！？]|\S {2,}\S")
RENDERER = renderer()


async def every_mail_reads_well(case: Case) -> None:
    """Render every mail of the process in every language, with the data that is stored for it."""

    def letters(conn: Connection) -> list[Any]:
        rows = conn.execute(select(mails).where(mails.c.process_id == case.process_id)).mappings()
        alike = {(row["template"], json.dumps(row["data"], sort_keys=True)): dict(row) for row in rows}
        return mail_delivery.letters(conn, list(alike.values()))

    for letter in await case.community.db.read(letters):
        # Whoever it is about has a name, so nobody is called anybody.
        about_whom = {letter.data.get(key) for key in ("application_id", "candidate_id")} - {None}
        assert about_whom <= set(letter.names), letter.template
        for locale in LOCALES:
            mail = RENDERER.render(letter.model_copy(update={"locale": locale}))
            button, about = mail.links[0], f"{letter.template} in {locale}:\n{mail.subject}\n{mail.text}"
            assert BUTTON.findall(mail.html) == [button], about
            assert mail.text.count(button) == 1, about
            assert PAGE.fullmatch(button), about
            assert mail.subject.strip(), about
            assert not HOLES.search(f"{mail.subject}\n{mail.text}"), about
