"""How simulated members behave in a rehearsal: a model of people, and nothing that happens by chance.

Every decision is a function of the rehearsal's seed, of who decides and of the day, so the same seed tells
the same story whatever the order in which it is told. Shares and chances are from 0 to 1; days of a member
count from the own first day, which is 1.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from math import floor, log
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
FEWEST, MOST = 20, 500
"""Participants of a rehearsal. More would tell nothing new and take longer."""

EARLY_DAYS = 7
_EARLY_DECAY = 0.6
INVITING_DAYS = 10
"""Own days in which somebody invites friends at all."""

_RESTING = 0.2
"""How much of their eagerness people keep on a day that asks nothing of them."""
_SATURDAY = 5
_NEVER = 1e-6


class Temperament(StrEnum):
    """Kinds of community in words; each stands for one set of numbers."""

    CAUTIOUS = "cautious"
    TYPICAL = "typical"
    ENTHUSIASTIC = "enthusiastic"


class Behaviour(BaseModel):
    """How a community behaves.

    ``eagerness`` is the mean chance of a check-in on a weekday, ``spread`` how far people differ from it.
    ``early_dropout`` stop within their first seven days, most of them at once; ``later_dropout`` is the
    chance to stop after each day from then on; ``tells`` of those who stop leave by the button, the others
    fall silent. ``weekend`` scales the eagerness of Saturdays and Sundays. ``evening`` of the check-ins come
    after the day's last reminder. ``make_up`` is the chance that a day that can be made up is. ``invites`` is
    how many friends somebody invites who is active for ten days; ``accepts`` of the invited come.
    ``late`` of the participants come after the first day, if the plan lets them; ``cheats`` try what is
    not allowed; ``reminded`` of them all have set an hour for their reminder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    eagerness: Share = 0.82
    spread: Share = 0.15
    early_dropout: Share = 0.25
    later_dropout: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    tells: Share = 0.3
    weekend: Share = 0.85
    evening: Share = 0.4
    make_up: Share = 0.4
    invites: Annotated[float, Field(ge=0, le=20)] = 0.8
    accepts: Share = 0.35
    late: Share = 0.15
    cheats: Share = 0.03
    reminded: Share = 0.7


PRESETS = {
    Temperament.CAUTIOUS: Behaviour(
        eagerness=0.65,
        early_dropout=0.4,
        later_dropout=0.02,
        weekend=0.7,
        make_up=0.2,
        invites=0.3,
        accepts=0.25,
        late=0.25,
    ),
    Temperament.TYPICAL: Behaviour(),
    Temperament.ENTHUSIASTIC: Behaviour(
        eagerness=0.94,
        spread=0.06,
        early_dropout=0.1,
        later_dropout=0.004,
        weekend=0.95,
        make_up=0.7,
        invites=1.8,
        accepts=0.45,
        late=0.05,
    ),
}


class Character(BaseModel):
    """What one member is like; ``stops_after`` is the last own day of activity, None for never."""

    model_config = ConfigDict(frozen=True)

    eagerness: Share
    stops_after: int | None
    tells: bool
    cheats: bool

    def is_done_by(self, own_day: int) -> bool:
        """Tell whether the member has stopped before that own day."""
        return self.stops_after is not None and own_day > self.stops_after


def drawn(seed: int, *what: object) -> float:
    """Return the number from 0 to below 1 that belongs to ``what``: always the same, evenly spread."""
    text = "\x1f".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56


def character(seed: int, who: str, behaviour: Behaviour) -> Character:
    """Return what the member ``who`` is like."""
    lean = behaviour.spread * (2 * drawn(seed, who, "eagerness") - 1)
    return Character(
        eagerness=min(1.0, max(0.0, behaviour.eagerness + lean)),
        stops_after=_last_day(seed, who, behaviour),
        tells=drawn(seed, who, "tells") < behaviour.tells,
        cheats=drawn(seed, who, "cheats") < behaviour.cheats,
    )


def _last_day(seed: int, who: str, behaviour: Behaviour) -> int | None:
    if drawn(seed, who, "early") < behaviour.early_dropout:
        # Each day loses the same share of those who are going to go: the first day loses most.
        reached = drawn(seed, who, "early day") * (1 - _EARLY_DECAY**EARLY_DAYS)
        return 1 + min(EARLY_DAYS - 1, floor(log(1 - reached) / log(_EARLY_DECAY)))
    if behaviour.later_dropout < _NEVER:
        return None
    days = floor(log(1 - drawn(seed, who, "later")) / log(1 - behaviour.later_dropout))
    return EARLY_DAYS + days


def comes_on(seed: int, who: str, behaviour: Behaviour, last_day: int) -> int:
    """Return the campaign's day on which ``who`` enrols: 1 for before the start, at most ``last_day``."""
    if last_day <= 1 or drawn(seed, who, "late") >= behaviour.late:
        return 1
    return 2 + floor(drawn(seed, who, "comes on") * (last_day - 1))


def checks_in(
    seed: int, who: str, one: Character, behaviour: Behaviour, day: int, *, weekday: int, resting: bool
) -> bool:
    """Tell whether ``who``, who has not stopped, checks in on ``day``; ``weekday`` 0 is Monday."""
    chance = one.eagerness
    if weekday >= _SATURDAY:
        chance *= behaviour.weekend
    if resting:
        chance *= _RESTING
    return drawn(seed, who, day, "checks in") < chance


def in_the_evening(seed: int, who: str, behaviour: Behaviour, day: int) -> bool:
    """Tell whether a check-in comes only after the day's last reminder."""
    return drawn(seed, who, day, "evening") < behaviour.evening


def makes_up(seed: int, who: str, behaviour: Behaviour, day: int, missed: int) -> bool:
    """Tell whether ``who`` makes the day ``missed`` up on ``day``."""
    return drawn(seed, who, day, "makes up", missed) < behaviour.make_up


def friends_who_come(seed: int, who: str, behaviour: Behaviour, day: int, own_day: int) -> int:
    """Return how many of those whom ``who`` invites on ``day`` come."""
    if own_day > INVITING_DAYS:
        return 0
    expected = behaviour.invites / INVITING_DAYS
    invited = floor(expected) + (drawn(seed, who, day, "invites") < expected % 1)
    return sum(drawn(seed, who, day, "accepts", number) < behaviour.accepts for number in range(invited))


def reminder_hour(seed: int, who: str, behaviour: Behaviour, hours: Sequence[int]) -> int | None:
    """Return which of ``hours`` somebody has set for the own reminder, None for none."""
    if not hours or drawn(seed, who, "reminded") >= behaviour.reminded:
        return None
    return hours[floor(drawn(seed, who, "reminder hour") * len(hours))]


def note(seed: int, characters: int) -> str:
    """Return a note of at least so many characters that does not repeat itself."""
    words, number = "", 0
    while len(words) - words.count(" ") < characters:
        words += " " + hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=4).hexdigest()
        number += 1
    return words.strip()
