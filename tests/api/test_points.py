"""Points and the pool over the API and in pages: booked once, told in words, guarded."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from api.pages.pool_plot import HEIGHT, WIDTH, plot, plot_of_sources
from api.schemas.points import PoolDayOut
from db.repositories import point_checks, points
from db.tables.campaigns import campaigns
from db.tables.points import point_transfers
from domain.ids import new_id
from domain.people import Role
from domain.points import Payment, PaymentReason, Source
from locales import translate
from settings import Settings
from tests.support.vetting_api import BASE, Api, User, problem, running_api

SITE = "http://kameng.test"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIVEN = {"amount": 1000, "source": "sponsorship", "reference": "Tea House"}
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def manager(api: Api) -> User:
    return await api.user("manager", Role.CAMPAIGN_MANAGER)


@pytest.fixture
async def admin(api: Api) -> User:
    return await api.user("admin", Role.ADMIN)


async def campaign_of(api: Api, leader: User, title: str = "Thirty days of tea") -> str:
    """Add a campaign's row and return its id."""
    row = {
        "id": new_id(),
        "leader_id": leader.id,
        "template": "learning_plan",
        "title": title,
        "plan": {},
        "reasons": [],
        "created_at": NOW,
        "updated_at": NOW,
    }
    await api.execute(insert(campaigns).values(**row))
    return str(row["id"])


async def filled(manager: User, **values: Any) -> str:
    answer = await manager.post("/staff/pool/deposits", GIVEN | values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def promised(api: Api, campaign: str, amount: int) -> None:
    await api.db.write(lambda conn: points.reserve(conn, campaign, amount, key=f"r-{campaign}", at=NOW))


async def paid(api: Api, campaign: str, *payments: Payment) -> None:
    await api.db.write(lambda conn: points.pay(conn, campaign, payments, key_prefix=f"c-{campaign}", at=NOW))


async def transfers(api: Api) -> int:
    [row] = await api.rows(select(func.count().label("n")).select_from(point_transfers))
    return int(row["n"])


async def look(user: User, path: str, status: int = 200) -> str:
    """Return a page as text, with what its markup escapes."""
    answer = await user.get(SITE + path)
    assert answer.status_code == status, answer.text[:2000]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text


async def test_what_a_member_has_and_why(api: Api, manager: User) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    assert (await ann.get("/me/points")).json() == {
        "available": 0,
        "pending": 0,
        "entries": [],
        "next_cursor": None,
    }
    campaign = await campaign_of(api, bob)
    await filled(manager)
    await promised(api, campaign, 500)
    await paid(api, campaign, *(Payment(ann.id, 10, reason) for reason in PaymentReason))
    await paid(api, campaign, Payment(bob.id, 7, PaymentReason.STREAK))
    whole = (await ann.get("/me/points")).json()
    assert (whole["available"], whole["pending"], len(whole["entries"])) == (50, 0, 5)
    assert {entry["reason"] for entry in whole["entries"]} == {reason.value for reason in PaymentReason}
    assert whole["entries"][0]["campaign"] == {"id": campaign, "title": "Thirty days of tea"}
    seen, cursor = [], ""
    while True:
        page = (await ann.get(f"/me/points?limit=2{cursor}")).json()
        seen += page["entries"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == whole["entries"]
    problem(await ann.get("/me/points?cursor=made-up"), 400, "cursor_invalid")
    problem(await api.anyone.get(f"{BASE}/me/points"), 401, "sign_in_required")


async def test_the_pool_says_what_is_in_promised_paid_and_left(api: Api, manager: User) -> None:
    member = await api.user("member")
    empty = (await manager.get("/staff/pool")).json()
    assert (empty["left"], empty["promised"], empty["paid"], empty["days"]) == (0, 0, 0, [])
    await filled(manager)
    await filled(manager, amount=200, source="course_share", reference="Knots", note="March")
    small, large = await campaign_of(api, member), await campaign_of(api, member, "More tea")
    await promised(api, small, 100)
    await promised(api, large, 400)
    await paid(api, large, Payment(member.id, 50, PaymentReason.COMPLETION))
    found = (await manager.get("/staff/pool")).json()
    assert (found["came_in"], found["left"], found["promised"], found["paid"]) == (1200, 700, 450, 50)
    assert found["by_source"] == {"sponsorship": 1000, "course_share": 200}
    assert [(one["campaign"]["title"], one["amount"]) for one in found["promises"]] == [
        ("More tea", 350),
        ("Thirty days of tea", 100),
    ]
    last = found["days"][-1]
    assert (last["came_in"], last["promised"], last["paid"], last["left"]) == (1200, 450, 50, 700)
    assert last["by_source"] == found["by_source"]
    listed = (await manager.get("/staff/pool/deposits?limit=1")).json()
    assert (listed["items"][0]["reference"], listed["items"][0]["note"]) == ("Knots", "March")
    assert listed["items"][0]["by"] == "Shown manager"
    more = (await manager.get(f"/staff/pool/deposits?cursor={listed['next_cursor']}")).json()
    assert [item["reference"] for item in more["items"]] == ["Tea House"]


async def test_a_deposit_sent_twice_is_booked_once(api: Api, manager: User) -> None:
    header = {"Idempotency-Key": "one"}
    send = [manager.post("/staff/pool/deposits", GIVEN, headers=header) for _ in range(4)]
    codes = [answer.status_code for answer in await asyncio.gather(*send)]
    assert set(codes) <= {201, 409}
    again = await manager.post("/staff/pool/deposits", GIVEN, headers=header)
    assert again.headers["idempotency-replayed"] == "true"
    other = await manager.post("/staff/pool/deposits", GIVEN | {"amount": 5}, headers=header)
    problem(other, 422, "idempotency_key_reused")
    assert await transfers(api) == 1
    await filled(manager)
    assert await transfers(api) == 2


BAD: list[tuple[dict[str, Any], str]] = [
    ({"amount": 0}, "amount"),
    ({"amount": -5}, "amount"),
    ({"amount": 1.5}, "amount"),
    ({"amount": 10**13}, "amount"),
    ({"amount": 10**40}, "amount"),
    ({"amount": "many"}, "amount"),
    ({"amount": None}, "amount"),
    ({"source": "lottery"}, "source"),
    ({"reference": " "}, "reference"),
    ({"reference": "a\nb"}, "reference"),
    ({"reference": "x" * 161}, "reference"),
    ({"note": "x" * 2001}, "note"),
    ({"unknown": 1}, "unknown"),
]


async def test_what_is_wrong_with_a_deposit_is_told_by_field(api: Api, manager: User) -> None:
    for values, field in BAD:
        answer = await manager.post("/staff/pool/deposits", GIVEN | values)
        found = problem(answer, 422, "validation_failed")
        assert [error["field"] for error in found["errors"]] == [field], found
    assert await transfers(api) == 0


async def test_only_those_who_look_after_the_pool_see_and_fill_it(api: Api, manager: User) -> None:
    first = await filled(manager)
    for role in (Role.MEMBER, Role.LEADER, Role.REVIEWER, Role.LEAD_REVIEWER, Role.MODERATOR):
        other = await api.user(role.value, *([] if role is Role.MEMBER else [role]))
        for path in ("/staff/pool", "/staff/pool/deposits"):
            problem(await other.get(path), 403, "forbidden")
        problem(await other.post("/staff/pool/deposits", GIVEN), 403, "forbidden")
        await look(other, "/staff/pool", 403)
    undo = f"/staff/pool/transfers/{first}/reversal"
    problem(await manager.post(undo, {"note": "No."}), 403, "forbidden")
    assert (await manager.post(SITE + undo)).status_code == 403
    assert await transfers(api) == 1


async def test_admins_reverse_once_and_say_why(api: Api, manager: User, admin: User) -> None:
    first, second = await filled(manager), await filled(manager, amount=300)
    undo = "/staff/pool/transfers/{}/reversal"
    problem(await admin.post(undo.format(second), {}), 422, "validation_failed")
    problem(await admin.post(undo.format(second), {"note": " "}), 422, "validation_failed")
    problem(await admin.post(undo.format(new_id()), {"note": "x"}), 404, "not_found")
    problem(await admin.post(undo.format("x"), {"note": "x"}), 422, "validation_failed")
    done = await admin.post(undo.format(second), {"note": "Booked twice."})
    assert done.status_code == 201
    problem(await admin.post(undo.format(second), {"note": "Again."}), 409, "transfer_reversed")
    problem(await admin.post(undo.format(done.json()["id"]), {"note": "x"}), 409, "transfer_not_reversible")
    campaign = await campaign_of(api, manager)
    await promised(api, campaign, 100)
    short = problem(await admin.post(undo.format(first), {"note": "x"}), 409, "points_insufficient")
    assert short["available"] == 900
    items = (await manager.get("/staff/pool/deposits")).json()["items"]
    assert [(item["amount"], item["reverses"], item["note"]) for item in items] == [
        (-300, second, "Booked twice."),
        (300, None, None),
        (1000, None, None),
    ]
    assert items[1]["reversed_by"] == items[0]["id"]


@pytest.mark.parametrize("over", [False, True])
async def test_a_payment_reversed_is_the_campaigns_again_or_the_pools(
    api: Api, manager: User, admin: User, over: bool
) -> None:
    ann = await api.user("ann")
    campaign = await campaign_of(api, manager)
    await filled(manager)
    await promised(api, campaign, 100)
    await paid(api, campaign, Payment(ann.id, 60, PaymentReason.RANK))
    if over:
        await api.execute(update(campaigns).values(ended_at=NOW))
    entry = (await ann.get("/me/points")).json()["entries"][0]
    done = await admin.post(f"/staff/pool/transfers/{entry['id']}/reversal", {"note": "Fraud."})
    assert done.status_code == 201, done.text
    found = (await manager.get("/staff/pool")).json()
    assert (found["left"], found["promised"], found["paid"]) == ((1000, 0, 0) if over else (900, 100, 0))
    mine = (await ann.get("/me/points")).json()
    assert (mine["available"], [e["available"] for e in mine["entries"]]) == (0, [-60, 60])
    assert mine["entries"][0]["reverses"] == entry["id"]
    assert "were reversed" in await look(ann, "/points")
    for check in point_checks.CHECKS:
        assert (await api.db.read(check)).wrong == 0


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_my_points_in_words(api: Api, manager: User, locale: str) -> None:
    ann = await api.user("ann", locale=locale)
    text = await look(ann, "/points")
    assert translate(locale, "page.points.none") in unescape(text)
    title = f"Tea {NASTY}"
    campaign = await campaign_of(api, manager, title)
    await filled(manager)
    await promised(api, campaign, 1000)
    await paid(api, campaign, *(Payment(ann.id, 1 + n, reason) for n, reason in enumerate(PaymentReason)))
    text = await look(ann, "/points")
    assert NASTY not in text
    for reason in PaymentReason:
        assert translate(locale, f"page.points.for.{reason.value}", title=title) in unescape(text)
    assert translate(locale, "page.points.available", count=15, number="15") in unescape(text)
    assert "+5" in text
    assert 'rel="next"' in await look(ann, "/points?limit=2")
    stranger = await api.anyone.get(f"{SITE}/points")
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in?next=/points")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_the_page_of_the_pool(api: Api, admin: User, locale: str) -> None:
    manager = await api.user("teller", Role.CAMPAIGN_MANAGER, locale=locale)
    text = await look(manager, "/staff/pool")
    assert translate(locale, "page.pool.none") in unescape(text)
    assert "<polygon" not in text
    for source in Source:
        assert translate(locale, f"page.pool.from.{source.value}") in text
    await filled(manager, reference=f"House {NASTY}")
    campaign = await campaign_of(api, manager)
    await promised(api, campaign, 400)
    text = await look(manager, "/staff/pool")
    assert NASTY not in text
    assert f'href="/staff/campaigns/{campaign}"' in text
    assert text.count("<polygon") == 5
    assert 'role="img" aria-labelledby="pool-words"' in text
    told = re.search(r'<figcaption id="pool-words">(.*?)</figcaption', text, re.DOTALL)
    assert told
    assert "600" in told[1]
    assert "400" in told[1]
    came_in = re.search(r'<figcaption id="sources-words">(.*?)</figcaption', text, re.DOTALL)
    assert came_in
    assert "1,000" in came_in[1]
    assert "/reversal" not in text
    assert "/reversal" in await look(admin, "/staff/pool")


async def test_the_pool_is_filled_by_a_form_once(api: Api, manager: User) -> None:
    once = re.search(r'name="once" value="([^"]+)"', await look(manager, "/staff/pool"))
    assert once
    fields = {"once": once[1], "amount": "250", "source": "course_share", "reference": "Knots", "note": ""}
    for _ in range(2):
        answer = await manager.http.post(f"{SITE}/staff/pool/deposits", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/staff/pool?done=pool_filled")
    assert await transfers(api) == 1
    wrong = await manager.http.post(
        f"{SITE}/staff/pool/deposits", data=fields | {"amount": "-1", "reference": f"Kept {NASTY}"}
    )
    assert wrong.status_code == 422
    assert 'id="amount-error"' in wrong.text
    assert f"Kept {NASTY}" in unescape(wrong.text)
    assert NASTY not in wrong.text
    other = await manager.http.post(f"{SITE}/staff/pool/deposits", data=fields | {"amount": "9"})
    assert other.status_code == 422
    assert 'role="alert"' in other.text
    assert once[1] not in other.text
    assert await transfers(api) == 1


async def test_a_deposit_is_reversed_by_a_form(api: Api, manager: User, admin: User) -> None:
    first = await filled(manager)
    at = f"{SITE}/staff/pool/transfers/{first}/reversal"
    empty = await admin.http.post(at, data={"why": ""})
    assert empty.status_code == 422
    assert 'id="why-error"' in empty.text
    done = await admin.http.post(at, data={"why": "A slip."})
    assert (done.status_code, done.headers["location"]) == (303, "/staff/pool?done=transfer_reversed")
    again = await admin.http.post(at, data={"why": "A slip."})
    assert again.status_code == 409
    assert translate("en", "problem.transfer_reversed.detail") in again.text
    missing = f"{SITE}/staff/pool/transfers/{new_id()}/reversal"
    assert (await admin.http.post(missing, data={"why": "x"})).status_code == 404
    text = unescape(await look(admin, "/staff/pool"))
    assert translate("en", "page.pool.reversed") in text
    assert "A slip." in text


def _day(number: int, left: int, promised: int, paid: int) -> PoolDayOut:
    whole = left + promised + paid
    day = date(2026, 3, 1) + timedelta(days=number)
    sources = {Source.SPONSORSHIP: whole // 4, Source.COURSE_SHARE: whole - whole // 4}
    return PoolDayOut(day=day, came_in=whole, left=left, promised=promised, paid=paid, by_source=sources)


def test_the_drawing_keeps_to_its_frame_and_its_proportions() -> None:
    assert plot([]) is None
    assert plot([_day(0, 0, 0, 0)]) is None
    drawn = plot([_day(0, 100, 0, 0), _day(1, 40, 60, 0), _day(2, 50, 10, 40)])
    assert drawn is not None
    assert (drawn.top, [band.name for band in drawn.bands]) == (100, ["left", "promised", "paid"])
    for band in drawn.bands:
        corners = [tuple(map(float, corner.split(","))) for corner in band.corners.split()]
        assert len(corners) == 12
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in corners)
    left = drawn.bands[0].corners.split()
    assert left[0] == "0.0,0.0"
    assert left[2] == f"{WIDTH / 3:.1f},{HEIGHT * 0.6:.1f}"


def test_the_sources_are_drawn_on_top_of_each_other() -> None:
    assert plot_of_sources([]) is None
    assert plot_of_sources([_day(0, 0, 0, 0)]) is None
    drawn = plot_of_sources([_day(0, 40, 0, 0), _day(1, 40, 60, 0)])
    assert drawn is not None
    assert (drawn.top, [band.name for band in drawn.bands]) == (100, ["sponsorship", "course_share"])
    upper = [band.corners.split() for band in drawn.bands]
    assert [corners[0] for corners in upper] == [f"0.0,{HEIGHT * 0.9:.1f}", f"0.0,{HEIGHT * 0.6:.1f}"]
    assert [corners[2] for corners in upper] == [
        f"{WIDTH / 2:.1f},{HEIGHT * 0.75:.1f}",
        f"{WIDTH / 2:.1f},0.0",
    ]
