"""What invitations did for a campaign: how far each came, the K-factor, the tree of who brought whom.

A *way* is one invitation on its way to one person: each friend who joined is one, and each invitation that
nobody has joined by yet. So every friend is counted once, however many codes were passed on.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.invitations import TRACK, InvitationStatus

LARGEST_BRANCHES = 10


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Way(_Frozen):
    """What is known of one way; ``day`` is the campaign's day on which the invitation was made, 0 before.

    ``expired``: the invitation has expired or was taken back, and nobody had joined by it.
    """

    day: int = 0
    sent: bool = False
    opened: bool = False
    join: JoinStatus | None = None
    rewarded: bool = False
    expired: bool = False
    new_member: bool = False

    @property
    def step(self) -> InvitationStatus:
        """The furthest step that was reached; steps before joining may have been left out."""
        if self.join is JoinStatus.ACTIVATED:
            return InvitationStatus.REWARDED if self.rewarded else InvitationStatus.ACTIVATED
        if self.join is not None:
            return InvitationStatus.JOINED
        if self.opened:
            return InvitationStatus.OPENED
        return InvitationStatus.SENT if self.sent else InvitationStatus.CREATED


class Rest(StrEnum):
    """How it stands with a way that has come no further than its step."""

    IN_PROGRESS = "in_progress"
    DONE = "done"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DOUBTFUL = "doubtful"
    DROPPED = "dropped"


def rest_of(way: Way, *, over: bool) -> Rest:
    """Return how it stands with a way; ``over``: the campaign has been settled.

    Who counts is ``done`` in the end, rewarded or not: past the cap, and outside, nobody is. Who only went
    quiet has ``dropped`` out when the campaign is over, not before.
    """
    if way.rewarded:
        return Rest.DONE
    if way.join is JoinStatus.DOUBTFUL:
        return Rest.DOUBTFUL
    if way.join is JoinStatus.REJECTED:
        return Rest.REJECTED
    if way.join is None and way.expired:
        return Rest.EXPIRED
    if not over:
        return Rest.IN_PROGRESS
    return Rest.DONE if way.join is JoinStatus.ACTIVATED else Rest.DROPPED


class Step(_Frozen):
    """A step of the funnel: how many reached it, and how it stands with those who came no further."""

    step: InvitationStatus
    reached: int
    in_progress: int = 0
    done: int = 0
    expired: int = 0
    rejected: int = 0
    doubtful: int = 0
    dropped: int = 0


class Cohort(_Frozen):
    """The ways that began on one day of the campaign (0: before the first), and how far they have come.

    ``lost`` are the expired, the rejected and the dropped.
    """

    day: int
    created: int
    sent: int
    opened: int
    joined: int
    activated: int
    rewarded: int
    in_progress: int
    doubtful: int
    lost: int


class Friends(_Frozen):
    """Distinct friends: who joined, and who of them became active."""

    joined: int = 0
    activated: int = 0


class Funnel(_Frozen):
    """All ways of a campaign: by step in their order, by the day on which they began, by who came.

    ``new`` friends were unknown to the community before, ``known`` ones were members already.
    """

    steps: tuple[Step, ...]
    cohorts: tuple[Cohort, ...]
    new: Friends
    known: Friends

    def reached(self, step: InvitationStatus) -> int:
        """How many ways reached ``step``."""
        return self.steps[TRACK.index(step)].reached


def funnel(ways: Iterable[tuple[Way, int]], *, over: bool) -> Funnel:
    """Count ``ways``, each with its number, into a funnel; ``over``: the campaign is settled."""
    stopped: Counter[tuple[int, InvitationStatus, Rest]] = Counter()
    joined: Counter[bool] = Counter()
    activated: Counter[bool] = Counter()
    for way, number in ways:
        stopped[way.day, way.step, rest_of(way, over=over)] += number
        joined[way.new_member] += number if way.join is not None else 0
        activated[way.new_member] += number if way.join is JoinStatus.ACTIVATED else 0
    new, known = (Friends(joined=joined[one], activated=activated[one]) for one in (True, False))
    return Funnel(
        steps=tuple(_step(stopped, step) for step in TRACK),
        cohorts=tuple(_cohort(stopped, day) for day in sorted({day for day, _, _ in stopped})),
        new=new,
        known=known,
    )


def _step(stopped: Counter[tuple[int, InvitationStatus, Rest]], step: InvitationStatus) -> Step:
    further = TRACK[TRACK.index(step) :]
    rests: Counter[str] = Counter()
    for (_, at, rest), number in stopped.items():
        if at is step:
            rests[rest.value] += number
    reached = sum(number for (_, at, _), number in stopped.items() if at in further)
    return Step(step=step, reached=reached, **rests)


_LOST = frozenset({Rest.EXPIRED, Rest.REJECTED, Rest.DROPPED})


def _cohort(stopped: Counter[tuple[int, InvitationStatus, Rest]], day: int) -> Cohort:
    own = {(at, rest): number for (began, at, rest), number in stopped.items() if began == day}
    reached = {
        step.value: sum(number for (at, _), number in own.items() if at in TRACK[place:])
        for place, step in enumerate(TRACK)
    }
    return Cohort(
        day=day,
        **reached,
        in_progress=sum(number for (_, rest), number in own.items() if rest is Rest.IN_PROGRESS),
        doubtful=sum(number for (_, rest), number in own.items() if rest is Rest.DOUBTFUL),
        lost=sum(number for (_, rest), number in own.items() if rest in _LOST),
    )


class KFactor(_Frozen):
    """How many new participants each participant brought: K = i · c.

    i is the number of invitations that a participant sent on average, c the share of them by which somebody
    came (D. Skok, «Lessons Learned: Viral Marketing», 2009; the basic reproduction number of epidemiology
    is its model). Here only who became active has come, or a crowd of empty accounts would look like growth:
    ``participants`` ever had a place, ``invited`` are the ways that were sent or followed, ``activated``
    the distinct friends who joined by one and met the plan's number of check-ins. So K is also the number
    of active friends for each participant. Above 1 a campaign grows by itself.
    """

    participants: int
    invited: int
    activated: int

    @property
    def invitations_each(self) -> float:
        """i: invitations sent per participant."""
        return self.invited / self.participants if self.participants else 0.0

    @property
    def conversion(self) -> float:
        """c: the share (0 to 1) of the invitations by which somebody came and became active."""
        return self.activated / self.invited if self.invited else 0.0

    @property
    def value(self) -> float:
        """K: active friends per participant."""
        return self.activated / self.participants if self.participants else 0.0


def k_factor(counted: Funnel, participants: int) -> KFactor:
    """Return the K-factor of a funnel with so many distinct participants."""
    return KFactor(
        participants=participants,
        invited=counted.reached(InvitationStatus.SENT),
        activated=counted.reached(InvitationStatus.ACTIVATED),
    )


class Branch(_Frozen):
    """Somebody who came by themselves: how many people came by them and theirs, over how many steps."""

    person_id: str
    people: int
    depth: int


class Tree(_Frozen):
    """Who brought whom: ``roots`` came by themselves and brought somebody, ``people`` came by them.

    ``depth`` is the longest chain of invitations; ``branches`` are the largest ones.
    """

    roots: int = 0
    people: int = 0
    depth: int = 0
    branches: tuple[Branch, ...] = ()


class _Grove:
    """Who stands at the top of whom, and how far below: each climb shortens the next one."""

    def __init__(self) -> None:
        self._above: dict[str, tuple[str, int]] = {}

    def top(self, person_id: str) -> tuple[str, int]:
        """Return the root above somebody, and by how many steps."""
        path = []
        while person_id in self._above:
            path.append(person_id)
            person_id = self._above[person_id][0]
        steps = 0
        for below in reversed(path):
            steps += self._above[below][1]
            self._above[below] = (person_id, steps)
        return person_id, steps

    def hang(self, friend_id: str, inviter_id: str) -> None:
        """Put a friend below the inviter; whoever has one already, or stands above the inviter, stays."""
        if friend_id not in self._above and self.top(inviter_id)[0] != friend_id:
            self._above[friend_id] = (inviter_id, 1)

    def tops(self) -> Iterable[tuple[str, int]]:
        """Yield the root above each who hangs below one, and by how many steps."""
        return (self.top(person_id) for person_id in list(self._above))


def tree(joins: Iterable[tuple[str, str]], largest: int = LARGEST_BRANCHES) -> Tree:
    """Return the tree of ``joins``: pairs of a friend and the inviter, in the order in which they joined.

    Everybody has one inviter: the first join decides. One that would close a circle is no join: only a
    leader can invite before taking part, and nobody has brought the leader.
    """
    grove = _Grove()
    for friend_id, inviter_id in joins:
        grove.hang(friend_id, inviter_id)
    people: Counter[str] = Counter()
    depths: dict[str, int] = {}
    for root, steps in grove.tops():
        people[root] += 1
        depths[root] = max(depths.get(root, 0), steps)
    order = sorted(people, key=lambda root: (-people[root], root))[:largest]
    return Tree(
        roots=len(people),
        people=people.total(),
        depth=max(depths.values(), default=0),
        branches=tuple(Branch(person_id=one, people=people[one], depth=depths[one]) for one in order),
    )


class Growth(_Frozen):
    """Everything that invitations did for a campaign."""

    funnel: Funnel
    k: KFactor
    tree: Tree = Tree()
