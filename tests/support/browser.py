"""Browsers that sign in the way people do: by the link in a mail, with cookies of their own."""

from datetime import UTC, datetime
from typing import Any

import httpx2
from sqlalchemy import insert, select

from api.parts import Parts
from api.security import totp
from db.tables.access import second_factors
from db.tables.mail import mails
from db.tables.people import people, role_grants
from domain.people import Role
from mail.sealing import Sealer
from tests.support.people import person_row
from tests.support.vetting_api import BASE, Api

OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}


def parts_of(api: Api) -> Parts:
    """Return the parts that the application is built of."""
    parts: Parts = api.app.state.parts
    return parts


async def browser(api: Api, base: str = BASE, **headers: str) -> httpx2.AsyncClient:
    """Return a fresh browser on a page of ours; ``headers`` replace what it sends."""
    transport = httpx2.ASGITransport(app=api.app, raise_app_exceptions=False)
    client = httpx2.AsyncClient(transport=transport, base_url=base, headers={**OWN_PAGE, **headers})
    return await api.stack.enter_async_context(client)


async def add_person(api: Api, name: str, *roles: Role, **values: Any) -> str:
    """Add an active member ``name@people.example`` with further ``roles``; return the id."""
    now = datetime.now(UTC)
    row = person_row(name, f"{name}@people.example", **{"display_name": name, "time_zone": "UTC"} | values)
    grants = [
        {"person_id": row["id"], "role": role.value, "granted_at": now} for role in (Role.MEMBER, *roles)
    ]
    await api.execute(insert(people).values(**row), insert(role_grants).values(grants))
    return str(row["id"])


async def mailed_tokens(api: Api, email: str) -> list[str]:
    """Return the tokens of the sign-in links mailed to ``email``, oldest first."""
    rows = await api.rows(
        select(mails.c.secret_sealed)
        .where(mails.c.to_email == email, mails.c.template == "sign_in")
        .order_by(mails.c.id)
    )
    sealer = Sealer(parts_of(api).settings.secret_key.get_secret_value())
    return [sealer.open(bytes(row["secret_sealed"])) for row in rows]


async def ask_for_link(api: Api, client: httpx2.AsyncClient, email: str) -> str:
    """Ask for a link and return the token in the mail."""
    asked = await client.post("/auth/magic-links", json={"email": email})
    assert asked.status_code == 202, asked.text
    return (await mailed_tokens(api, email))[-1]


async def sign_in(
    api: Api, client: httpx2.AsyncClient, email: str, code: str | None = None
) -> dict[str, Any]:
    """Sign a browser in by a mailed link and return what it is told."""
    token = await ask_for_link(api, client, email)
    answer = await client.post("/auth/sessions", json={"token": token} | ({"totp": code} if code else {}))
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def code_now(seed: str, ahead: int = 0) -> str:
    """Return the code that an authenticator shows, ``ahead`` steps from now."""
    return totp.code_at(seed, int(datetime.now(UTC).timestamp()) // totp.STEP_SECONDS + ahead)


async def enrol(client: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """Set a second factor up; return its seed and the recovery codes. One code of now is used up."""
    begun = await client.post("/auth/second-factor")
    assert begun.status_code == 201, begun.text
    seed = begun.json()["secret"]
    confirmed = await client.post("/auth/second-factor/confirm", json={"code": code_now(seed)})
    assert confirmed.status_code == 200, confirmed.text
    return seed, confirmed.json()["recovery_codes"]


async def forget_steps(api: Api) -> None:
    """Make used codes count again, as if time had gone on."""
    await api.execute(second_factors.update().values(last_step=0))
