"""Random requests at real processes: never two stages at once, never past an end, never a step twice.

Lives begin in every stage and are carried on at random. `RANDOM_LIVES=17 make unit TESTS=…` draws again
what the output of a failed run tells; how what was sent at once falls out is up to the machine.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from db.repositories.votes import Cast
from domain.ballots import Choice
from domain.ids import new_id
from domain.policy import ProbationPolicy, VettingPolicy, VotePolicy
from domain.vetting import (
    AppealDecision,
    ProbationDecision,
    Refusal,
    ReviewDecision,
    Stage,
    Status,
)
from engine.timeskip import TimeSkippingError
from tests.support import vetting_stages as stages
from tests.support.community import Community
from tests.support.legal_states import ENDS
from tests.support.vetting import PATIENCE_SECONDS, Case, community, new_case
from tests.support.vetting_stages import Arrive
from tests.support.vetting_votes import cast
from tests.support.vetting_watch import (
    legal,
    no_mail_twice,
    nothing_twice,
    one_stage,
    votes_agree,
    watch,
)

POLICY = VettingPolicy(
    vote=VotePolicy(mail_shards=1), probation=ProbationPolicy(length_days=14, extension_days=7)
)
ROUNDS, LAST_ROUNDS = 5, 20
STARTS: dict[Arrive, str] = {
    stages.under_review: "expire",
    stages.under_second_review: "expire",
    stages.under_lead_review: "expire",
    stages.changing: "expire",
    stages.voting: "certify",
    stages.voting_longer: "withdraw",
    stages.on_probation: "certify",
    stages.on_longer_probation: "withdraw",
    stages.probation_to_decide: "lose",
    stages.rejected: "lose",
    stages.lost_vote: "certify",
    stages.failed_probation: "lose",
    stages.appealed: "withdraw",
    stages.appealed_vote: "withdraw",
    stages.appealed_probation: "withdraw",
}
"""Where lives begin, and which way they are bent in their last rounds, or few would come to an end."""


@dataclass
class Life:
    """One application, the dice that decide what is asked of it, and what was granted."""

    case: Case
    dice: Random
    bent: str
    granted: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    tried_in: set[Stage] = field(default_factory=set)

    def staff(self) -> dict[str, Any]:
        """One of the four who review, with what the API says of the lead."""
        here = self.case.community
        chosen = self.dice.choice([*here.reviewers, here.lead, here.lead])
        return {"is_lead": chosen == here.lead, "by": chosen}


async def review(life: Life, decision: ReviewDecision) -> None:
    """Give an opinion, now and then by a double click: the same request twice at once."""
    staff, update_id = life.staff(), new_id()
    await asyncio.gather(
        *(
            life.case.review(staff["by"], decision, is_lead=staff["is_lead"], update_id=update_id)
            for _ in range(life.dice.choice((1, 1, 2)))
        )
    )


async def hold(life: Life, act: Callable[..., Awaitable[object]]) -> None:
    staff = life.staff()
    await act(staff["by"], is_lead=staff["is_lead"])


async def vote(life: Life, choice: Choice, number: int = 7) -> None:
    members = life.case.community.members
    skip = life.dice.randrange(len(members))
    ballot_id = ["none", *(ballot["id"] for ballot in await life.case.ballots())][-1]
    outcomes = await cast(life.case, ballot_id, [*members[skip:], *members[:skip]][:number], choice)
    life.counted[ballot_id] += sum(one.outcome is Cast.COUNTED for one in outcomes)


async def decide(life: Life, decision: ProbationDecision) -> None:
    await life.case.decide_probation(decision, life.staff()["by"], note_id="note")


async def judge(life: Life, decision: AppealDecision) -> None:
    await life.case.decide_appeal(decision, life.staff()["by"])


async def skip(life: Life) -> None:
    await life.case.skip(days=life.dice.choice((1, 4, 8, 15)), seconds=2)


ACTS: dict[str, Callable[[Life], Awaitable[object]]] = {
    "approve": lambda life: review(life, ReviewDecision.APPROVE),
    "reject": lambda life: review(life, ReviewDecision.REJECT),
    "ask_changes": lambda life: review(life, ReviewDecision.REQUEST_CHANGES),
    "claim": lambda life: hold(life, life.case.claim),
    "release": lambda life: hold(life, life.case.release),
    "step_aside": lambda life: life.case.declare_conflict(life.staff()["by"]),
    "resubmit": lambda life: life.case.resubmit(),
    "vote_yes": lambda life: vote(life, Choice.YES),
    "vote_no": lambda life: vote(life, Choice.NO),
    "vote_few": lambda life: vote(life, Choice.ABSTAIN, number=2),
    "violation": lambda life: life.case.confirm_violation(),
    "pass": lambda life: decide(life, ProbationDecision.PASS),
    "extend": lambda life: decide(life, ProbationDecision.EXTEND),
    "fail": lambda life: decide(life, ProbationDecision.FAIL),
    "appeal": lambda life: life.case.appeal(),
    "uphold": lambda life: judge(life, AppealDecision.UPHOLD),
    "overturn": lambda life: judge(life, AppealDecision.OVERTURN),
    "withdraw": lambda life: life.case.withdraw(),
    "submit_again": lambda life: life.case.submit(),
    "skip": skip,
}
LEAVES = {
    "approve": {"review_approve"},
    "reject": {"review_reject"},
    "ask_changes": {"review_request_changes"},
    "release": {"released"},
    "resubmit": {"resubmitted"},
    "violation": {"violation_confirmed"},
    "pass": {"probation_pass"},
    "extend": {"probation_extend"},
    "fail": {"probation_fail"},
    "appeal": {"appealed"},
    "uphold": {"appeal_upheld"},
    "overturn": {"appeal_overturned"},
    "withdraw": {"withdrawn", "appeal_withdrawn"},
    "submit_again": {"submitted"},
}
"""What an act that was granted leaves on the timeline, once; the others may have nothing to tell."""

REVIEWS = ("approve", "approve", "approve", "reject", "ask_changes", "claim", "release", "step_aside", "skip")
VOTES = ("vote_yes", "vote_yes", "vote_no", "vote_few", "skip", "skip")
TRIALS = ("skip", "skip", "violation")
OPEN: dict[Stage, tuple[str, ...]] = {
    Stage.FIRST_REVIEW: REVIEWS,
    Stage.SECOND_REVIEW: REVIEWS,
    Stage.LEAD_REVIEW: REVIEWS,
    Stage.CHANGES_REQUESTED: ("resubmit", "resubmit", "skip"),
    Stage.VOTING: VOTES,
    Stage.VOTING_EXTENDED: VOTES,
    Stage.PROBATION: TRIALS,
    Stage.PROBATION_EXTENDED: TRIALS,
    Stage.PROBATION_DECISION: ("pass", "extend", "extend", "fail", "violation", "skip"),
    Stage.APPEAL_WINDOW: ("appeal", "appeal", "skip", "step_aside"),
    Stage.APPEAL_REVIEW: ("uphold", "overturn", "overturn", "step_aside", "skip"),
}
REVIEWED, VOTED = (
    (Stage.FIRST_REVIEW, Stage.SECOND_REVIEW, Stage.LEAD_REVIEW),
    (Stage.VOTING, Stage.VOTING_EXTENDED),
)
BENT: dict[str, dict[Stage, tuple[str, ...]]] = {
    "certify": {
        **dict.fromkeys(REVIEWED, ("approve", "approve", "release")),
        **dict.fromkeys(VOTED, ("vote_yes", "vote_yes", "skip")),
        Stage.PROBATION_DECISION: ("pass",),
        Stage.APPEAL_WINDOW: ("appeal",),
        Stage.APPEAL_REVIEW: ("overturn",),
    },
    "lose": {
        **dict.fromkeys(REVIEWED, ("reject", "reject", "release")),
        **dict.fromkeys(VOTED, ("vote_no", "skip")),
        Stage.PROBATION_DECISION: ("fail",),
        Stage.APPEAL_WINDOW: ("skip",),
        Stage.APPEAL_REVIEW: ("uphold",),
    },
    "expire": {
        **dict.fromkeys(REVIEWED, ("ask_changes", "ask_changes", "release")),
        Stage.CHANGES_REQUESTED: ("skip",),
    },
    "withdraw": dict.fromkeys(Stage, ("withdraw", "skip")),
}
REFUSED_AFTER_LOSS = (
    "approve",
    "claim",
    "resubmit",
    "violation",
    "pass",
    "uphold",
    "withdraw",
    "submit_again",
)


async def attempt(life: Life, name: str) -> bool:
    """Do it, if it is allowed; anything but a refusal, or an end that came first, is a failure."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ACTS[name](life)
    except WorkflowUpdateFailedError as failure:
        if not (isinstance(failure.cause, ApplicationError) and failure.cause.type in set(Refusal)):
            raise
        return False
    except RPCError as failure:
        over = (await life.case.row())["stage"] == Stage.CLOSED.value
        if failure.status is not RPCStatusCode.NOT_FOUND or not over:
            raise
        return False
    except TimeSkippingError:
        # Another skip came, or the end.
        return False
    life.granted[name] += 1
    return True


def acts_of(life: Life, stage: Stage, last: bool) -> list[str]:
    """Draw what is asked next: one act, or two or three at once; two in three are open in the stage."""
    dice = life.dice
    if last:
        return [dice.choice(BENT[life.bent].get(stage, OPEN[stage]))]
    number = dice.choice((1, 1, 2, 3))
    # Beside an act that ends the process it would start another one, which turns it away: not to be looked
    # at in place of the first.
    all_acts = sorted({*ACTS} - ({"submit_again"} if number > 1 else set()))
    wanted = (OPEN[stage] if dice.random() < 0.67 else all_acts for _ in range(number))
    return [dice.choice(acts) for acts in wanted]


async def one_round(life: Life, last: bool) -> bool:
    """Ask something and look after it; False if the life is over."""
    stage = Stage((await life.case.row())["stage"])
    if stage is Stage.CLOSED:
        return False
    life.tried_in.add(stage)
    names = acts_of(life, stage, last)
    print(life.case.id, stage.value, *names)
    await asyncio.gather(*(attempt(life, name) for name in names))
    await life.case.agrees()
    await legal(life.case)
    return True


async def traces(case: Case) -> tuple[Any, ...]:
    """What must not change where everything is refused."""
    return await case.row(), await case.entries(), await case.roles(), len(await case.mails())


async def nothing_after_a_loss(life: Life) -> None:
    """Where an appeal is still open, so is nothing else."""
    if (await life.case.row())["stage"] != Stage.APPEAL_WINDOW.value:
        return
    await life.case.agrees()
    before = await traces(life.case)
    for name in life.dice.sample(REFUSED_AFTER_LOSS, 3):
        assert not await attempt(life, name), name
    assert await traces(life.case) == before


async def nothing_after_the_end(life: Life) -> None:
    """Everything at once, again and again: an end is an end."""
    await life.case.handle.result()
    before = await traces(life.case)
    acts = sorted({*ACTS} - {"skip", "vote_yes", "vote_no", "vote_few", "submit_again"})
    assert not any(await asyncio.gather(*(attempt(life, name) for name in acts)))
    # A process that ended can be started again by its id: it must not take over.
    assert not await attempt(life, "submit_again")
    assert await traces(life.case) == before


async def told_as_often_as_granted(life: Life, before: Counter[str]) -> None:
    """Whoever was told that it is done finds it done, once."""
    codes = Counter(await life.case.codes()) - before
    for name, left in LEAVES.items():
        assert sum(codes[code] for code in left) == life.granted[name], name


async def one_life(here: Community, arrive: Arrive, seed: int) -> tuple[set[Stage], str | None]:
    """Carry one application through random acts; return where they were tried, and how it ended."""
    # Too new to be on the others' rolls.
    case = await new_case(here, await here.person("random", joined_at=datetime.now(UTC)))
    life = Life(case, Random(f"{seed}/{arrive.__name__}"), STARTS[arrive])
    case.policy = POLICY
    await arrive(case)
    before = Counter(await case.codes())
    for vote_before in await case.ballots():
        life.counted[vote_before["id"]] = sum(vote_before[c.value] or 0 for c in Choice)
    for number in range(ROUNDS + LAST_ROUNDS):
        if not await one_round(life, last=number >= ROUNDS):
            break
        await nothing_after_a_loss(life)
    await legal(case)
    await one_stage(case)
    await told_as_often_as_granted(life, before)
    nothing_twice(await case.entries())
    await no_mail_twice(case)
    await votes_agree(case, life.counted)
    row = await case.row()
    if row["stage"] != Stage.CLOSED.value:
        return life.tried_in, None
    await nothing_after_the_end(life)
    return life.tried_in, row["status"]


async def test_random_requests(sqlite_url: str, temporal_client: Client, task_queue: str) -> None:
    seed = int(os.environ.get("RANDOM_LIVES") or random.randrange(10**6))
    print(f"RANDOM_LIVES={seed}")
    async with community(sqlite_url, temporal_client, task_queue) as here:
        await watch(here)
        lives = await asyncio.gather(*(one_life(here, arrive, seed) for arrive in STARTS))
    tried = set().union(*(tried for tried, _ in lives))
    assert tried == set(Stage) - {Stage.INTAKE, Stage.CLOSED}
    ended = Counter(end for _, end in lives if end is not None)
    print(dict(ended))
    # Of the five; each is what some lives are bent towards, but chance may end all of them otherwise.
    assert len(ended) >= 3
    assert {Status(end) for end in ended} <= ENDS
