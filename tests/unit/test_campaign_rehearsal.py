"""The model of simulated members: always the same for the same seed, and shaped as it says."""

import itertools
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns import rehearsal
from domain.campaigns.forecast import Finding, Forecast, ForecastDay, Outcome, Warn
from domain.campaigns.plan import Board, CampaignPlan
from domain.campaigns.rehearsal import EARLY_DAYS, INVITING_DAYS, PRESETS, Behaviour, Temperament
from domain.campaigns.reports import Paid
from domain.campaigns.requirements import Evidence, unmet
from domain.campaigns.rewards import liability
from domain.mail import MailTemplate
from locales import load

SEEDS = st.integers(0, 2**31 - 1)
SHARES = st.floats(0, 1)
BEHAVIOURS = st.builds(
    Behaviour,
    eagerness=SHARES,
    spread=SHARES,
    early_dropout=SHARES,
    later_dropout=st.floats(0, 0.5),
    tells=SHARES,
    weekend=SHARES,
    late=SHARES,
    invites=st.floats(0, 20),
    accepts=SHARES,
    cheats=SHARES,
)
CROWD = [f"m{number}" for number in range(3_000)]


@given(SEEDS, BEHAVIOURS, st.text(max_size=8), st.integers(1, 400), st.integers(0, 6))
def test_everything_is_decided_by_the_seed(
    seed: int, behaviour: Behaviour, who: str, day: int, weekday: int
) -> None:
    def told() -> list[object]:
        one = rehearsal.character(seed, who, behaviour)
        return [
            one,
            rehearsal.comes_on(seed, who, behaviour, 7),
            rehearsal.checks_in(seed, who, one, behaviour, day, weekday=weekday, resting=False),
            rehearsal.friends_who_come(seed, who, behaviour, day, day),
            rehearsal.reminder_hour(seed, who, behaviour, (8, 21)),
        ]

    assert told() == told()
    assert 0 <= rehearsal.character(seed, who, behaviour).eagerness <= 1
    assert 0 <= rehearsal.drawn(seed, who, day) < 1


@given(SEEDS, BEHAVIOURS, st.integers(0, 60))
def test_who_comes_late_comes_while_one_can_enrol(seed: int, behaviour: Behaviour, last: int) -> None:
    for who in CROWD[:40]:
        assert 1 <= rehearsal.comes_on(seed, who, behaviour, last) <= max(1, last)


@given(SEEDS, BEHAVIOURS)
def test_stopping_comes_after_the_first_day_and_is_for_good(seed: int, behaviour: Behaviour) -> None:
    for who in CROWD[:40]:
        one = rehearsal.character(seed, who, behaviour)
        assert not one.is_done_by(1)
        if one.stops_after is not None:
            assert [one.is_done_by(one.stops_after + more) for more in (0, 1, 9)] == [False, True, True]


@pytest.mark.parametrize("temperament", Temperament)
def test_the_curve_of_dropout_falls_most_at_first(temperament: Temperament) -> None:
    behaviour = PRESETS[temperament].model_copy(update={"later_dropout": 0.0})
    crowd = [rehearsal.character(1, who, behaviour) for who in CROWD]
    there = [sum(not one.is_done_by(day) for one in crowd) / len(crowd) for day in range(1, 12)]
    lost = [before - after for before, after in itertools.pairwise(there)]
    assert lost[0] == max(lost) > lost[2] > lost[5] > 0
    assert there[EARLY_DAYS:] == [there[EARLY_DAYS]] * len(there[EARLY_DAYS:])
    assert there[-1] == pytest.approx(1 - behaviour.early_dropout, abs=0.03)


def test_later_days_lose_their_share() -> None:
    behaviour = Behaviour(early_dropout=0, later_dropout=0.1)
    crowd = [rehearsal.character(3, who, behaviour) for who in CROWD]
    there = [sum(not one.is_done_by(day) for one in crowd) for day in (EARLY_DAYS, EARLY_DAYS + 10)]
    assert there[0] == len(crowd)
    assert there[1] / len(crowd) == pytest.approx(0.9**10, abs=0.03)


def rate(behaviour: Behaviour, **when: int | bool) -> float:
    given_day = {"weekday": 0, "resting": False} | when
    acts = [
        rehearsal.checks_in(
            5,
            who,
            rehearsal.character(5, who, behaviour),
            behaviour,
            3,
            **given_day,  # type: ignore[arg-type]
        )
        for who in CROWD
    ]
    return sum(acts) / len(acts)


def test_weekends_and_rest_days_are_quieter() -> None:
    behaviour = Behaviour(eagerness=0.8, weekend=0.5)
    assert rate(behaviour) == pytest.approx(0.8, abs=0.03)
    assert rate(behaviour, weekday=5) == pytest.approx(0.4, abs=0.03)
    assert rate(behaviour, resting=True) == pytest.approx(0.16, abs=0.03)


def test_as_many_friends_come_as_are_invited_and_accept() -> None:
    behaviour = Behaviour(invites=3, accepts=0.5)
    came = sum(
        rehearsal.friends_who_come(2, who, behaviour, day, day) for who in CROWD for day in range(1, 31)
    )
    assert came / len(CROWD) == pytest.approx(1.5, abs=0.1)
    assert all(rehearsal.friends_who_come(2, who, behaviour, 50, INVITING_DAYS + 1) == 0 for who in CROWD)


@pytest.mark.parametrize(("name", "what"), [("cheats", "cheats"), ("tells", "tells")])
def test_shares_are_what_they_say(name: str, what: str) -> None:
    behaviour = Behaviour.model_validate({name: 0.3})
    found = sum(getattr(rehearsal.character(9, who, behaviour), what) for who in CROWD)
    assert found / len(CROWD) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("characters", [1, 20, 500, 2000])
def test_a_note_meets_what_a_plan_asks(characters: int) -> None:
    plan = CampaignPlan.model_validate(
        {"starts_on": "2026-03-02", "requirement": {"min_note_characters": characters}}
    )
    for seed in range(50):
        assert unmet(plan.requirement, Evidence(note=rehearsal.note(seed, characters))) is None


def test_temperaments_differ_as_their_words_say() -> None:
    cautious, typical, eager = (PRESETS[one] for one in Temperament)
    for name in ("eagerness", "weekend", "make_up", "invites", "accepts"):
        assert getattr(cautious, name) < getattr(typical, name) < getattr(eager, name)
    for name in ("early_dropout", "later_dropout"):
        assert getattr(cautious, name) > getattr(typical, name) > getattr(eager, name)


# The forecast.

PLAN = CampaignPlan.model_validate(
    {
        "starts_on": "2026-03-02",
        "length_days": 5,
        "capacity": 1000,
        "rewards": {
            "streaks": [{"days": 3, "points": 5}],
            "ranks": [{"board": "days", "place": place, "points": 50} for place in (1, 2)],
        },
    }
)


def forecast(days: Sequence[int] = (90, 88, 85, 80, 80), **changes: object) -> Forecast:
    paid = Paid(reserved=liability(PLAN), check_in=900, streak=500, completion=3_500, rank=100, invitation=40)
    outcome = {
        "members": 100, "left": 5, "turned_away": 0, "started": 98, "completed": 70, "still_there": 80,
        "check_ins": 423, "make_ups": 3, "invited": 6, "activated": 2, "doubtful": 1, "paid": paid,
        "prizes": {Board.DAYS: 2}, "streaks": {3: 60}, "mails_to_members": {"campaign_reminder": 200},
        "mails_to_others": {"campaign_digest": 5}, "refused": {}, "let_through": 0,
    } | changes  # fmt: skip
    return Forecast(
        plan=PLAN,
        behaviour=Behaviour(),
        participants=100,
        seed=1,
        days=tuple(
            ForecastDay(
                day=day,
                on=date(2026, 3, day),
                members=100,
                checked_in=done,
                made_up=0,
                earned=0,
                invited=0,
                mails={},
            )
            for day, done in enumerate(days, 1)
        ),
        outcome=Outcome.model_validate(outcome),
    )


def codes(one: Forecast) -> list[Warn]:
    return [finding.code for finding in one.findings]


def test_a_full_campaign_costs_as_many_times_more_except_for_its_prizes() -> None:
    one = forecast()
    assert one.scale == 10
    assert one.paid_when_full == 49_400 + 100
    assert one.mails_when_full == 2_005
    assert one.k_factor == pytest.approx(6 / 105)
    assert codes(one) == [Warn.RESERVE_UNUSED]


@given(st.integers(0, 200), st.integers(0, 10**7), st.integers(0, 10**6))
def test_no_forecast_pays_more_than_is_reserved(members: int, earned: int, rank: int) -> None:
    paid = Paid(reserved=1, check_in=earned, streak=0, completion=0, rank=rank, invitation=0)
    one = forecast(members=members, paid=paid)
    assert 0 <= one.paid_when_full <= one.liability
    assert one.scale >= 1 or not members


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"members": 0, "completed": 0}, Warn.NOBODY_ENROLS),
        ({"let_through": 1}, Warn.CHEATS_PASSED),
        ({"completed": 0}, Warn.NOBODY_COMPLETES),
        ({"completed": 20}, Warn.FEW_COMPLETE),
        ({"completed": 97}, Warn.TOO_EASY),
        ({"days": (90, 70, 50, 50, 50)}, Warn.EARLY_DROPOUT),
        ({"streaks": {3: 0}}, Warn.STREAK_UNREACHED),
        ({"prizes": {Board.DAYS: 1}}, Warn.PRIZES_UNREACHED),
        (
            {"paid": Paid(reserved=1, check_in=900, streak=0, completion=0, rank=20, invitation=0)},
            Warn.PRIZES_SPLIT,
        ),
        ({"mails_to_members": {"campaign_reminder": 1_000}}, Warn.MANY_MAILS),
        ({"turned_away": 3}, Warn.TURNED_AWAY),
        (
            {"paid": Paid(reserved=1, check_in=1, streak=0, completion=0, rank=0, invitation=9)},
            Warn.INVITATIONS_COST_MOST,
        ),
    ],
)
def test_what_the_forecast_points_at(changes: dict[str, Any], code: Warn) -> None:
    assert code in codes(forecast(**changes))
    assert code not in codes(forecast())


def test_days_of_rest_are_no_dropout() -> None:
    """The plan begins on a Monday; only days that ask something are compared."""
    tuesdays = PLAN.model_copy(update={"rest_weekdays": (0, 2)})
    quiet = forecast(days=(10, 90, 10, 88, 80, 80)).model_copy(update={"plan": tuesdays})
    assert Warn.EARLY_DROPOUT not in codes(quiet)
    falling = forecast(days=(10, 90, 10, 88, 30, 30)).model_copy(update={"plan": tuesdays})
    (found,) = [one for one in falling.findings if one.code is Warn.EARLY_DROPOUT]
    assert found.values == {"begin": 2, "day": 5, "first": 0.9, "later": 0.3}


def test_every_finding_has_its_text_and_every_mail_its_name() -> None:
    mails = [template.value for template in MailTemplate if template.value.startswith("campaign_")]
    for language in ("en", "zh-CN"):
        ids = load(language).ids
        assert {f"rehearsal.finding.{code.value}" for code in Warn} <= ids
        assert {f"rehearsal.mail.{name}" for name in mails} <= ids
        assert {f"rehearsal.temperament.{one.value}" for one in Temperament} <= ids


def test_findings_read_back_from_what_is_kept() -> None:
    one = forecast(turned_away=3)
    again = Forecast.model_validate_json(one.model_dump_json())
    assert again.findings == one.findings
    assert Finding(code=Warn.TURNED_AWAY, values={"number": 3, "capacity": 1000}) in again.findings
