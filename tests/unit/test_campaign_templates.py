"""The five templates: lawful, payable plans with texts in both languages, and every parameter changeable."""

import re
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from domain.campaigns.invitations import PlanWarning, warning_text_id, warnings
from domain.campaigns.plan import Board, CampaignPlan, InvitationMode, Proof
from domain.campaigns.rewards import liability
from domain.campaigns.templates import SETTINGS, TemplateCode, TemplateText, plan_for, text_id
from domain.people import LOCALES
from locales import translate

START = date(2026, 3, 2)
LONGEST = {TemplateText.TITLE: 120, TemplateText.SUMMARY: 300}


@pytest.mark.parametrize("code", TemplateCode)
def test_every_template_is_a_lawful_plan_that_can_be_paid(code: TemplateCode):
    plan = plan_for(code, START)
    assert plan.starts_on == START
    assert warnings(plan) == ()
    assert 0 < liability(plan) < 100_000
    assert all(bonus.days <= plan.length_days for bonus in plan.rewards.streaks)
    assert plan.late_enrolment_until_day < plan.length_days
    assert CampaignPlan.model_validate_json(plan.model_dump_json()) == plan


def test_the_learning_plan_is_the_reference_campaign():
    plan = plan_for(TemplateCode.LEARNING_PLAN, START)
    assert (plan.length_days, plan.requirement.proofs, plan.invitations.goal) == (30, (Proof.NOTE,), 3)
    assert plan.invitations.mode is InvitationMode.INSIDE


def test_outside_sharing_of_reviews_is_not_rewarded():
    plan = plan_for(TemplateCode.PRODUCT_REVIEW, START)
    assert plan.invitations.mode is InvitationMode.OUTSIDE
    assert plan.invitations.liability == 0


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", TemplateCode)
def test_every_template_has_its_texts_and_they_fit(code: TemplateCode, locale: str):
    for text in TemplateText:
        said = translate(locale, text_id(code, text))
        assert 0 < len(said) <= LONGEST.get(text, 2000)
        # How long it takes and how long a note has to be is said beside it, and stays true when the leader
        # changes it.
        assert not re.search(r"\d|\bweeks?\b|\bseven\b|[一两三]周", said)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("warning", PlanWarning)
def test_every_warning_has_a_text(warning: PlanWarning, locale: str):
    assert translate(locale, warning_text_id(warning))


def test_a_change_leaves_the_rest_of_its_part():
    before = plan_for(TemplateCode.CHECK_IN_CHALLENGE, START)
    after = plan_for(
        TemplateCode.CHECK_IN_CHALLENGE,
        START,
        {"rewards": {"completion": 7, "ranks": [{"board": "days", "place": 1, "points": 9}]}, "capacity": 3},
    )
    assert (after.rewards.completion, after.capacity) == (7, 3)
    assert after.rewards.streaks == before.rewards.streaks
    assert [prize.board for prize in after.rewards.ranks] == [Board.DAYS]
    assert plan_for(TemplateCode.CHECK_IN_CHALLENGE, START) == before  # the template itself stays


EDITED: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "cutoff_minutes": 0,
    "length_days": 9,
    "enrolment": "open",
    "enrolment_lead_days": 1,
    "late_enrolment_until_day": 3,
    "capacity": 11,
    "waiting_list": False,
    "requirement": {"proofs": ["link"], "min_note_characters": 33},
    "rest_weekdays": [2],
    "make_up": {"cards": 0, "window_days": 9},
    "nudge_after_missed": 5,
    "rewards": {
        "check_in": 1,
        "streaks": [{"days": 4, "points": 4}],
        "completion": 5,
        "completion_share": 0.6,
        "ranks": [{"board": "days", "place": 2, "points": 6}],
    },
    "invitations": {
        "mode": "off",
        "goal": 8,
        "points": 9,
        "rewarded_at_most": 7,
        "activating_check_ins": 6,
        "attribution_days": 5,
        "valid_days": 4,
    },
}


@pytest.mark.parametrize("code", TemplateCode)
def test_every_parameter_can_be_changed(code: TemplateCode):
    assert set(EDITED) | {"starts_on"} == set(CampaignPlan.model_fields)
    plan = plan_for(code, START, EDITED)
    assert plan == CampaignPlan.model_validate({"starts_on": START} | EDITED)
    assert plan_for(code, START, {"starts_on": "2026-05-01"}).starts_on == date(2026, 5, 1)


@pytest.mark.parametrize(
    "changes", [{"capacity": 0}, {"nonsense": 1}, {"rewards": {"nonsense": 1}}, {"rewards": 5}]
)
def test_what_no_plan_can_be_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        plan_for(TemplateCode.LEARNING_PLAN, START, changes)


def test_there_are_five():
    assert set(SETTINGS) == set(TemplateCode)
    assert len(SETTINGS) == 5
