"""Points: accounts, transfers and what the ledger never allows. All amounts are whole points.

A transfer moves points between accounts: its postings are signed and sum to zero. Points enter from
``issued``, which alone goes below zero, and so always says how many were ever put in.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import Field

MAX_AMOUNT: Final = 1_000_000_000_000
"""No transfer moves more: sums of millions of them stay far from the end of 64 bits."""

Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]


class AccountKind(StrEnum):
    """What an account is for, in the order in which accounts are locked: the hottest last."""

    AVAILABLE = "available"
    PENDING = "pending"
    ESCROW = "escrow"
    RESERVE = "reserve"
    EXPIRED = "expired"
    CLAWED_BACK = "clawed_back"
    ISSUED = "issued"
    POOL = "pool"


class TransferKind(StrEnum):
    """What a transfer does."""

    DEPOSIT = "deposit"
    RESERVATION = "reservation"
    RELEASE = "release"
    PAYMENT = "payment"
    REVERSAL = "reversal"


class Source(StrEnum):
    """Where the points of the pool come from."""

    SPONSORSHIP = "sponsorship"
    COURSE_SHARE = "course_share"


class PaymentReason(StrEnum):
    """What a member is paid for."""

    CHECK_IN = "check_in"
    STREAK = "streak"
    COMPLETION = "completion"
    RANK = "rank"
    INVITATION = "invitation"


REVERSIBLE: Final = frozenset({TransferKind.DEPOSIT, TransferKind.PAYMENT})
"""What staff can reverse; reservations and releases belong to the process of their campaign."""

_LOCK_RANK: Final = {kind: rank for rank, kind in enumerate(AccountKind)}


class InsufficientPoints(Exception):
    """An account holds less than was asked of it; nothing was written."""

    def __init__(self, account: "Account", available: int) -> None:
        super().__init__(f"{account.kind.value} holds {available} points")
        self.account = account
        self.available = available


class KeyReused(Exception):
    """A transfer of that key is booked, and says something else."""


class NotReversible(Exception):
    """The transfer is of a kind that its own process takes back, or is a reversal itself."""


class AlreadyReversed(Exception):
    """Another transfer has undone this one."""


class UnknownTransfer(Exception):
    """There is no transfer of that id."""


class Account(NamedTuple):
    """An account by what it is: ``owner`` is a person, a campaign or a redemption, empty for the rest."""

    kind: AccountKind
    owner: str = ""

    @property
    def id(self) -> str:
        """The name under which postings know it."""
        return f"{self.kind.value}:{self.owner}"

    @property
    def lock_rank(self) -> tuple[int, str]:
        """Where it stands in the one order in which all transfers lock their accounts."""
        return _LOCK_RANK[self.kind], self.owner


POOL: Final = Account(AccountKind.POOL)
ISSUED: Final = Account(AccountKind.ISSUED)


class Posting(NamedTuple):
    """One side of a transfer: so many points onto the account, or off it where negative."""

    account: Account
    amount: int


class Payment(NamedTuple):
    """What one member is to get out of a campaign's reserve, for one reason."""

    person_id: str
    amount: int
    reason: PaymentReason


class Change(NamedTuple):
    """What transfers of one kind moved on one day (UTC); reversals count as negative."""

    day: date
    kind: TransferKind
    source: str
    amount: int


class PoolDay(NamedTuple):
    """The pool at the end of a day (UTC): all that ever came in, what is promised, paid and left.

    ``by_source`` is what came in, by the sources that anything had come from.
    """

    day: date
    came_in: int
    promised: int
    paid: int
    left: int
    by_source: dict[str, int]


def reserve_of(campaign_id: str) -> Account:
    """Return the account that holds what a campaign can still pay."""
    return Account(AccountKind.RESERVE, campaign_id)


def available_of(person_id: str) -> Account:
    """Return the account of what a member can spend."""
    return Account(AccountKind.AVAILABLE, person_id)


def move(source: Account, target: Account, amount: int) -> tuple[Posting, Posting]:
    """Return the postings that move ``amount`` points. Raises ``ValueError`` for no amount at all."""
    if not 1 <= amount <= MAX_AMOUNT:
        raise ValueError(f"a transfer moves 1 to {MAX_AMOUNT} points")
    return Posting(source, -amount), Posting(target, amount)


def mirrored(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return the postings that undo ``postings``."""
    return tuple(Posting(posting.account, -posting.amount) for posting in postings)


def payment_key(prefix: str, payment: Payment) -> str:
    """Return the key of a payment: what it is for, to whom and why, and nothing of the run that made it."""
    return f"{prefix}:{payment.person_id}:{payment.reason.value}"


def check_payments(payments: Sequence[Payment]) -> None:
    """Raise ``ValueError`` for an amount that is none, or for a member paid twice for the same reason."""
    if any(not 1 <= payment.amount <= MAX_AMOUNT for payment in payments):
        raise ValueError(f"a payment is 1 to {MAX_AMOUNT} points")
    if len({(payment.person_id, payment.reason) for payment in payments}) != len(payments):
        raise ValueError("a member is paid once for each reason")


def days_of(changes: Iterable[Change], until: date, longest: int) -> list[PoolDay]:
    """Return the pool day by day, without gaps, up to ``until``; at most the last ``longest`` days."""
    by_day: dict[date, list[Change]] = defaultdict(list)
    for change in changes:
        by_day[change.day].append(change)
    if not by_day:
        return []
    last = max(until, *by_day)
    first = max(min(by_day), last - timedelta(days=longest - 1))
    total = _Total()
    for day in sorted(by_day):
        if day < first:
            total.add(by_day[day])
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        total.add(by_day.get(day, ()))
        found.append(total.at_the_end_of(day))
    return found


class _Total:
    """What was moved so far, by kind, and what came in, by source."""

    def __init__(self) -> None:
        self._kinds: dict[TransferKind, int] = defaultdict(int)
        self._sources: dict[str, int] = defaultdict(int)

    def add(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._kinds[change.kind] += change.amount
            if change.kind is TransferKind.DEPOSIT:
                self._sources[change.source] += change.amount

    def at_the_end_of(self, day: date) -> PoolDay:
        kept = self._kinds[TransferKind.RESERVATION] - self._kinds[TransferKind.RELEASE]
        paid = self._kinds[TransferKind.PAYMENT]
        came_in = self._kinds[TransferKind.DEPOSIT]
        return PoolDay(day, came_in, kept - paid, paid, came_in - kept, dict(self._sources))
