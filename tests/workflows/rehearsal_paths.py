"""Every way that the process of a rehearsal can go, on stages that do nothing but what the way needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from activities.rehearsals import StageFailed, Told
from contracts.rehearsals import RehearsalFailure, Script
from domain.campaigns.forecast import Forecast, Outcome
from domain.campaigns.reports import Paid
from tests.support.rehearsals import Rehearsing, script_of

NOTHING = Outcome(
    members=0,
    left=0,
    turned_away=0,
    started=0,
    completed=0,
    still_there=0,
    check_ins=0,
    make_ups=0,
    invited=0,
    activated=0,
    doubtful=0,
    paid=Paid(reserved=0, check_in=0, streak=0, completion=0, rank=0, invitation=0),
    prizes={},
    streaks={},
    mails_to_members={},
    mails_to_others={},
    refused={},
    let_through=0,
)


@dataclass
class SmallStage:
    """A stage on which nobody plays: it breaks as often as it is told to, then has its forecast."""

    breaks: int = 0
    fails: RehearsalFailure | None = None
    tries: list[int] = field(default_factory=list)

    async def perform(self, script: Script, told: Told) -> Forecast | None:
        self.tries.append(len(self.tries) + 1)
        if not await told(1):
            return None
        if len(self.tries) <= self.breaks:
            raise RuntimeError("the stage collapsed")
        if self.fails is not None:
            raise StageFailed(self.fails)
        return Forecast(
            plan=script.plan,
            behaviour=script.behaviour,
            participants=script.participants,
            seed=script.seed,
            days=(),
            outcome=NOTHING,
        )


@dataclass(frozen=True)
class Path:
    """One way, the stage that it needs, and how the row stands at its end."""

    stage: Callable[[], SmallStage]
    ends: tuple[str, str | None, int]
    cancelled: bool = False

    async def walk(self, here: Rehearsing) -> str:
        """Go it; return the id of the rehearsal."""
        rehearsal_id = await here.ask(script_of())
        if self.cancelled:
            assert await here.cancel(rehearsal_id)
        await (await here.start(rehearsal_id)).result()
        row = await here.row(rehearsal_id)
        assert (row.status, row.failure, row.attempt) == self.ends
        assert (row.forecast is not None) is (row.status == "done")
        return rehearsal_id


PATHS = {
    "done": Path(SmallStage, ("done", None, 1)),
    "broken_once": Path(lambda: SmallStage(breaks=1), ("done", None, 2)),
    "given_up": Path(lambda: SmallStage(breaks=9), ("failed", "broke_off", 4)),
    "not_to_be_had": Path(lambda: SmallStage(fails=RehearsalFailure.NO_SERVER), ("failed", "no_server", 1)),
    "called_off_before": Path(SmallStage, ("cancelled", None, 0), cancelled=True),
}
