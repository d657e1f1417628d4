"""Messages of ballots. All instants are UTC of the process's own clock."""

from datetime import datetime

from contracts.base import Message
from domain.ballots import Tally
from domain.mail import MailTemplate


class OpenBallot(Message):
    """Freezes the roll and opens the ballot: who may vote is decided at ``opens_at``, once."""

    ballot_id: str
    process_id: str
    subject_id: str
    candidate_id: str
    kind: str
    opens_at: datetime
    closes_at: datetime
    member_for_days: int
    quorum_share: float
    quorum_minimum: int
    approval_share: float


class OpenedBallot(Message):
    """What was opened: instants as first written (a second try changes nothing) and the roll's size."""

    opens_at: datetime
    closes_at: datetime
    roll: int


class CountBallot(Message):
    """Closes and counts; if the quorum is missed and ``extend_to`` is given, extends instead."""

    ballot_id: str
    at: datetime
    extend_to: datetime | None = None


class CountedBallot(Message):
    """The tally of a closed ballot, or the new closing time of an extended one."""

    tally: Tally | None = None
    extended_to: datetime | None = None


class MailRoll(Message):
    """Queues one mail to a shard of the roll; ``only_not_voted`` leaves out who has voted."""

    ballot_id: str
    process_id: str
    template: MailTemplate
    number: int
    candidate_id: str
    application_id: str
    closes_at: datetime
    only_not_voted: bool
    shard: int
    shards: int


class MailedRoll(Message):
    """How many mails the shard queued in all its tries."""

    queued: int
