"""The templates that campaigns start from, as data: a default plan each, and the ids of its texts.

A template is where a leader begins; every parameter of the plan can be changed.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from domain.campaigns.plan import CampaignPlan


class TemplateCode(StrEnum):
    """The templates, by their stable names."""

    LEARNING_PLAN = "learning_plan"
    CHECK_IN_CHALLENGE = "check_in_challenge"
    TOPIC_DISCUSSION = "topic_discussion"
    SKILL_SHARE = "skill_share"
    PRODUCT_REVIEW = "product_review"


class TemplateText(StrEnum):
    """The texts of a template; a campaign starts with them, in its leader's language."""

    TITLE = "title"
    SUMMARY = "summary"
    DESCRIPTION = "description"
    TASK = "task"


_INVITE_THREE = {"mode": "inside", "goal": 3, "points": 20, "rewarded_at_most": 3, "activating_check_ins": 3}

SETTINGS: dict[TemplateCode, dict[str, Any]] = {
    TemplateCode.LEARNING_PLAN: {
        "length_days": 30,
        "requirement": {"proofs": ["note"], "min_note_characters": 20},
        "make_up": {"cards": 3, "window_days": 3},
        "rewards": {
            "check_in": 2,
            "streaks": [{"days": 7, "points": 10}, {"days": 14, "points": 20}, {"days": 30, "points": 50}],
            "completion": 100,
            "completion_share": 0.8,
        },
        "invitations": _INVITE_THREE,
    },
    TemplateCode.CHECK_IN_CHALLENGE: {
        "length_days": 21,
        "requirement": {"proofs": ["note"], "min_note_characters": 10},
        "make_up": {"cards": 2, "window_days": 2},
        "rewards": {
            "check_in": 3,
            "streaks": [{"days": 7, "points": 15}, {"days": 21, "points": 60}],
            "completion": 60,
            "completion_share": 0.9,
            "ranks": [
                {"board": "streak", "place": 1, "points": 300},
                {"board": "streak", "place": 2, "points": 200},
                {"board": "streak", "place": 3, "points": 100},
            ],
        },
        "invitations": _INVITE_THREE,
    },
    TemplateCode.TOPIC_DISCUSSION: {
        "length_days": 14,
        "rest_weekdays": [5, 6],
        "requirement": {"proofs": ["note", "link"], "min_note_characters": 50},
        "make_up": {"cards": 2, "window_days": 3},
        "rewards": {"check_in": 3, "completion": 40, "completion_share": 0.7},
        "invitations": {**_INVITE_THREE, "goal": 2, "rewarded_at_most": 2},
    },
    TemplateCode.SKILL_SHARE: {
        "length_days": 21,
        "rest_weekdays": [6],
        "capacity": 100,
        "requirement": {"proofs": ["note", "link"], "min_note_characters": 50},
        "make_up": {"cards": 3, "window_days": 5},
        "rewards": {
            "check_in": 4,
            "streaks": [{"days": 6, "points": 15}, {"days": 18, "points": 45}],
            "completion": 80,
            "completion_share": 0.75,
        },
        "invitations": {**_INVITE_THREE, "goal": 1, "rewarded_at_most": 2},
    },
    TemplateCode.PRODUCT_REVIEW: {
        "length_days": 7,
        "capacity": 50,
        "enrolment": "invitation",
        "late_enrolment_until_day": 2,
        "requirement": {"proofs": ["note"], "min_note_characters": 80},
        "make_up": {"cards": 1, "window_days": 2},
        "rewards": {"check_in": 5, "completion": 50, "completion_share": 0.85},
        # Reviews are shared outside, where nothing may be paid for it.
        "invitations": {"mode": "outside", "goal": 0, "points": 0, "rewarded_at_most": 0},
    },
}
"""The plan of each template without its first day, as JSON has it; the rest has the plan's defaults."""


def plan_from(
    settings: Mapping[str, Any], starts_on: date, changes: Mapping[str, Any] | None = None
) -> CampaignPlan:
    """Return the plan of ``settings`` with ``changes`` (as JSON has them), from its first day on.

    A change inside a part leaves the rest of that part as it was; a list is replaced whole. Raises
    ``pydantic.ValidationError`` for what no plan can be.
    """
    return CampaignPlan.model_validate({"starts_on": starts_on} | _merged(settings, changes or {}))


def plan_for(code: TemplateCode, starts_on: date, changes: Mapping[str, Any] | None = None) -> CampaignPlan:
    """Return the default plan of a template, with ``changes`` as in :func:`plan_from`."""
    return plan_from(SETTINGS[code], starts_on, changes)


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def text_id(code: TemplateCode, text: TemplateText) -> str:
    """Return the id of a template's text in the catalogues."""
    return f"campaign_template.{code.value}.{text.value}"
