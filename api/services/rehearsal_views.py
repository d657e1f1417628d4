"""Rehearsals as they are read: rows and forecasts in the reader's language."""

from collections.abc import Mapping
from typing import Any

from babel import numbers
from sqlalchemy import Connection, Row

from api.problems import Problem
from api.schemas.rehearsals import FindingOut, ForecastOut, RehearsalOut, RehearsalSummary
from contracts.rehearsals import Script
from db.repositories import rehearsals
from domain.campaigns.forecast import Finding, Forecast
from domain.campaigns.plan import CampaignPlan
from locales import translate

_SHARES = frozenset({"share", "first", "later"})


def summary(row: Row[Any], locale: str) -> RehearsalSummary:
    """Return a rehearsal as it stands in a list."""
    return RehearsalSummary(**_fields(row, Script.model_validate(row.script), forecast_of(row), locale))


def whole(conn: Connection, rehearsal_id: str, locale: str) -> RehearsalOut:
    """Read a rehearsal. Raises ``Problem``."""
    row = rehearsals.get(conn, rehearsal_id)
    if row is None:
        raise Problem("not_found")
    script, forecast = Script.model_validate(row.script), forecast_of(row)
    return RehearsalOut(
        **_fields(row, script, forecast, locale),
        plan=script.plan,
        behaviour=script.behaviour,
        plan_changed=CampaignPlan.model_validate(row.current_plan) != script.plan,
        forecast=forecast_out(forecast, locale) if forecast else None,
    )


def forecast_of(row: Row[Any]) -> Forecast | None:
    """Return the forecast of a rehearsal's row, None while there is none."""
    return None if row.forecast is None else Forecast.model_validate(row.forecast)


def _fields(row: Row[Any], script: Script, forecast: Forecast | None, locale: str) -> dict[str, Any]:
    return {
        **{
            name: getattr(row, name)
            for name in (
                "id",
                "campaign_id",
                "status",
                "temperament",
                "day",
                "asked_at",
                "started_at",
                "ended_at",
                "failure",
            )
        },
        "participants": script.participants,
        "seed": script.seed,
        "length_days": script.plan.length_days,
        "failure_text": translate(locale, f"rehearsal.failure.{row.failure}") if row.failure else None,
        "completion": forecast.completion if forecast else None,
        "paid_when_full": forecast.paid_when_full if forecast else None,
    }


_OUTCOME = (
    "members",
    "left",
    "turned_away",
    "started",
    "completed",
    "check_ins",
    "make_ups",
    "invited",
    "activated",
    "doubtful",
    "mails_to_members",
    "mails_to_others",
    "refused",
    "let_through",
)
_DERIVED = (
    "participants",
    "seed",
    "behaviour",
    "scale",
    "completion",
    "retention",
    "k_factor",
    "liability",
    "paid_when_full",
    "mails",
    "mails_when_full",
    "mails_a_member_and_day",
)


def forecast_out(forecast: Forecast, locale: str) -> ForecastOut:
    """Return a forecast with its findings and assumptions in words."""
    outcome = forecast.outcome
    return ForecastOut(
        **{name: getattr(outcome, name) for name in _OUTCOME},
        **{name: getattr(forecast, name) for name in _DERIVED},
        paid={**outcome.paid.model_dump(), "total": outcome.paid.total},
        assumptions=assumptions(forecast, locale),
        findings=[FindingOut(code=one.code, text=finding_text(one, locale)) for one in forecast.findings],
        days=[day.model_dump() for day in forecast.days],
    )


def finding_text(finding: Finding, locale: str) -> str:
    """Return a finding in words."""
    count, words = round(finding.values.get("number", 0)), _worded(finding.values, locale)
    return translate(locale, f"rehearsal.finding.{finding.code.value}", count=count, **words)


def _worded(values: Mapping[str, float], locale: str) -> dict[str, str]:
    """Return numbers as the language writes them; those that are shares as percentages."""
    babel = locale.replace("-", "_")
    return {
        name: numbers.format_percent(value, locale=babel)
        if name in _SHARES
        else numbers.format_decimal(value, locale=babel)
        for name, value in values.items()
    }


def assumptions(forecast: Forecast, locale: str) -> list[str]:
    """Return what was assumed, in sentences."""
    model, babel = forecast.behaviour, locale.replace("-", "_")

    def share(value: float) -> str:
        return numbers.format_percent(value, locale=babel)

    def number(value: float) -> str:
        return numbers.format_decimal(value, locale=babel)

    said: dict[str, dict[str, str]] = {
        "participants": {"participants": number(forecast.participants), "late": share(model.late)},
        "eagerness": {"eagerness": share(model.eagerness), "weekend": share(model.weekend)},
        "dropout": {
            "early": share(model.early_dropout),
            "later": numbers.format_percent(model.later_dropout, format="#,##0.#%", locale=babel),
        },
        "make_up": {"make_up": share(model.make_up), "evening": share(model.evening)},
        "invites": {"invites": number(model.invites), "accepts": share(model.accepts)},
        "cheats": {"cheats": share(model.cheats)},
        "scale": {
            "scale": number(round(forecast.scale, 2)),
            "capacity": number(forecast.plan.capacity),
        },
        "not_shown": {},
    }
    return [translate(locale, f"rehearsal.assumes.{name}", **values) for name, values in said.items()]
