"""The plan of a campaign as a form: each field is named after its place in the plan."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from api.schemas.campaigns import CampaignOut
from domain.campaigns.invitations import warning_text_id, warnings
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rewards import liability

TEXTS: Final = ("title", "summary", "description", "task")
LISTS: Final = ("requirement.proofs", "rest_weekdays")
SCALARS: Final = (
    "time_zone",
    "cutoff_minutes",
    "starts_on",
    "length_days",
    "enrolment",
    "enrolment_lead_days",
    "late_enrolment_until_day",
    "capacity",
    "requirement.min_note_characters",
    "make_up.cards",
    "make_up.window_days",
    "nudge_after_missed",
    "rewards.check_in",
    "rewards.completion",
    "rewards.completion_share",
    "invitations.mode",
    "invitations.goal",
    "invitations.points",
    "invitations.rewarded_at_most",
    "invitations.activating_check_ins",
    "invitations.attribution_days",
    "invitations.valid_days",
)
ROWS: Final[Mapping[str, Sequence[str]]] = {
    "rewards.streaks": ("days", "points"),
    "rewards.ranks": ("board", "place", "points"),
}
"""Lists of lines, and the fields of each; empty lines are left out."""
_SPARE: Final = 2
_MOST_ROWS: Final = 102


def values_of(campaign: CampaignOut) -> dict[str, Any]:
    """Return what the form shows of a campaign."""
    values: dict[str, Any] = {name: getattr(campaign, name) for name in TEXTS}
    values |= {"starts_on": campaign.plan.starts_on.isoformat()} | plan_values(campaign.plan)
    values["edit_version"] = campaign.edit_version
    return values


def plan_values(given: CampaignPlan) -> dict[str, Any]:
    """Return what the form shows of a plan, but for its first day."""
    plan = given.model_dump(mode="json")
    values: dict[str, Any] = {name: _at(plan, name) for name in SCALARS if name != "starts_on"}
    values |= {name: [str(item) for item in _at(plan, name)] for name in LISTS}
    minutes = int(plan["cutoff_minutes"])
    values["cutoff_minutes"] = f"{minutes // 60:02d}:{minutes % 60:02d}"
    values["rewards.completion_share"] = f"{plan['rewards']['completion_share'] * 100:g}"
    values["waiting_list"] = "yes" if plan["waiting_list"] else ""
    for name, fields in ROWS.items():
        for place, row in enumerate(_at(plan, name)):
            values |= {f"{name}[{place}].{field}": row[field] for field in fields}
    return values


def rows_of(values: Mapping[str, Any], name: str) -> range:
    """Return the numbers of the lines to show of a list: those that are filled in, and some to spare."""
    field = ROWS[name][-1]
    used = [place for place in range(_MOST_ROWS) if values.get(f"{name}[{place}].{field}") not in (None, "")]
    return range((used[-1] + 1 if used else 0) + _SPARE)


def changes_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form as the JSON API takes it: texts and a whole plan."""
    return {name: values.get(name, "") for name in TEXTS} | {"plan": plan_changes(values)}


def plan_changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan in the form as the JSON API takes it."""
    plan: dict[str, Any] = {}
    for name in (*SCALARS, *LISTS):
        if name in values:
            _put(plan, name, values[name])
    with contextlib.suppress(ValueError):
        hours, minutes = str(values.get("cutoff_minutes", "")).split(":")[:2]
        plan["cutoff_minutes"] = int(hours) * 60 + int(minutes)
    with contextlib.suppress(ValueError):
        share = float(str(values.get("rewards.completion_share", ""))) / 100
        _put(plan, "rewards.completion_share", round(share, 4))
    plan["waiting_list"] = values.get("waiting_list") == "yes"
    for name in ROWS:
        _put(plan, name, list(_rows(values, name)))
    return plan


def tidied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form with its empty lines closed up, so that what is wrong is said at the right one."""
    kept = {name: value for name, value in values.items() if not name.startswith(tuple(ROWS))}
    for name in ROWS:
        for place, row in enumerate(_rows(values, name)):
            kept |= {f"{name}[{place}].{field}": value for field, value in row.items()}
    return kept


def _rows(values: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    fields = ROWS[name]
    for place in range(_MOST_ROWS):
        row = {field: values.get(f"{name}[{place}].{field}", "") for field in fields}
        if any(str(value) for field, value in row.items() if field != "board"):
            yield row


def plan_errors(errors: Mapping[str, str]) -> dict[str, str]:
    """Return errors by the names of the form's fields."""
    return {name.removeprefix("plan."): text for name, text in errors.items()}


def _at(plan: Mapping[str, Any], name: str) -> Any:
    found: Any = plan
    for part in name.split("."):
        found = found[part]
    return found


def _put(plan: dict[str, Any], name: str, value: Any) -> None:
    *parts, last = name.split(".")
    for part in parts:
        plan = plan.setdefault(part, {})
    plan[last] = value


def plan_of(changes: Mapping[str, Any], model: type[CampaignPlan] = CampaignPlan) -> CampaignPlan | None:
    """Return the plan of a form if it is one, for the estimate beside what has to be put right."""
    with contextlib.suppress(ValueError):
        return model.model_validate(changes["plan"])
    return None


def estimate(plan: CampaignPlan | None) -> dict[str, Any]:
    """Return what the editor says of a plan; numbers of another one would only mislead where it is None."""
    return {
        "estimate": plan,
        "liability": 0 if plan is None else liability(plan),
        "warnings": [] if plan is None else [warning_text_id(code) for code in warnings(plan)],
    }
