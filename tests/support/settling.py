"""The bulk work of a campaign whose process is not running: closing days, settling, releasing the rest."""

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from contracts.base import campaign_process_id
from contracts.campaigns import BulkInput
from db.repositories import campaign_bulk, point_checks, points, settlement_letters, settlements
from db.repositories.campaign_bulk import Cursor
from db.tables.points import point_accounts
from domain.campaigns.members import SHARDS
from domain.campaigns.terms import Status
from domain.points import Account, Source
from tests.support.campaigns import Campaign

PAGE = 2


async def fund(campaign: Campaign, pool: int = 10_000, reserved: int = 1_000) -> None:
    """Fill the pool, and reserve a part of it for the campaign."""
    now = datetime.now(UTC)

    def write(conn: Connection) -> None:
        points.deposit(
            conn,
            key=f"sponsor of {campaign.id}",
            amount=pool,
            source=Source.SPONSORSHIP,
            reference="a sponsor",
            actor_id=None,
            at=now,
        )
        points.reserve(conn, campaign.id, reserved, key=f"reservation of {campaign.id}", at=now)

    await campaign.db.write(write)


def _given(campaign: Campaign, day: int = 0, cancelled: bool = False) -> BulkInput:
    return BulkInput(
        campaign_id=campaign.id,
        process_id=campaign_process_id(campaign.id),
        at=datetime.now(UTC),
        first=0,
        last=SHARDS,
        day=day,
        nudge_after=30,
        cancelled=cancelled,
        told_apart=True,
    )


async def close(campaign: Campaign, day: int) -> None:
    """Close a day, page by page."""
    given = _given(campaign, day)

    def write(conn: Connection) -> None:
        after: Cursor | None = None
        while (end := campaign_bulk.close_page(conn, given, after, PAGE, given.at).end) is not None:
            after = end

    await campaign.db.write(write)


async def settle(campaign: Campaign, *, cancelled: bool = False) -> None:
    """Settle in pages, twice over, release the rest, end, and tell everybody, twice over too."""
    length = (await campaign.row())["length_days"]
    await campaign.go(length + 1, Status.SETTLING)
    given = _given(campaign, cancelled=cancelled)

    def pay(conn: Connection) -> None:
        after: Cursor | None = None
        prizes = settlements.rank_prizes(conn, given)
        while (end := settlements.pay_page(conn, given, prizes, after, PAGE, given.at).end) is not None:
            after = end

    for _ in range(2):
        await campaign.db.write(pay)
    key = f"{given.process_id}:release"
    await campaign.db.write(lambda conn: points.release(conn, campaign.id, key=key, at=given.at) and None)
    await campaign.go(length + 1, Status.CANCELLED if cancelled else Status.SETTLED)

    def tell(conn: Connection) -> None:
        after: Cursor | None = None
        while (end := settlement_letters.tell_page(conn, given, after, PAGE, given.at).end) is not None:
            after = end

    for _ in range(2):
        await campaign.db.write(tell)


async def balance(campaign: Campaign, account: Account) -> int:
    """What an account holds, 0 for one that there is not."""
    held = select(point_accounts.c.balance).where(point_accounts.c.id == account.id)
    return (await campaign.db.read(lambda conn: conn.execute(held).scalar())) or 0


async def paid(campaign: Campaign, person_id: str) -> int:
    """What somebody has; the whole ledger is proved on the way."""
    proofs = await campaign.db.read(point_checks.verify)
    assert not [proof for proof in proofs if proof.findings], proofs
    return (await campaign.db.read(lambda conn: points.balances(conn, person_id))).available
